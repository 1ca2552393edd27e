"""Web: pages and the API over the records and the hub of the centre."""

from songsinh.web import people
from songsinh.web.app import create_app
from songsinh.web.security import first_link
from songsinh.web.serving import read_secret, serve
from songsinh.web.settings import OpenId, WebSettings

__all__ = ["OpenId", "WebSettings", "create_app", "first_link", "people", "read_secret", "serve"]
