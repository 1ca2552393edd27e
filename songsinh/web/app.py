"""The application: routes behind their rules, and around them what keeps every answer safe."""

from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from sqlalchemy import Engine
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles

from songsinh.live import Hub
from songsinh.web.metrics import Meter, MeterKeeper
from songsinh.web.problems import ErrorKeeper, handle_errors
from songsinh.web.security.bodies import BodyKeeper
from songsinh.web.security.headers import HeaderKeeper
from songsinh.web.security.limits import Limits, PaceKeeper
from songsinh.web.settings import WebSettings

__all__ = ["create_app"]

STATIC: Final = Path(__file__).with_name("static")


def create_app(settings: WebSettings, engine: Engine, hub: Hub, history: Any) -> FastAPI:
    """The centre's application; `app.state` holds the four it is given, and `limits`.

    There is no open schema: a route of the API, with a rule, shows `app.openapi()`.
    """
    limits, meter = Limits.of(settings), Meter.new()
    app = FastAPI(
        title="Songsinh",
        version="1",
        openapi_url=None,
        middleware=[
            Middleware(MeterKeeper, meter=meter),
            Middleware(HeaderKeeper, settings=settings),
            Middleware(
                TrustedHostMiddleware, allowed_hosts=list(settings.hosts), www_redirect=False
            ),
            Middleware(PaceKeeper, limits=limits),
            Middleware(BodyKeeper, settings=settings),
            Middleware(ErrorKeeper),
        ],
    )
    app.state.settings, app.state.engine, app.state.limits = settings, engine, limits
    app.state.hub, app.state.history, app.state.meter = hub, history, meter
    handle_errors(app)
    _add_routes(app)
    return app


def _add_routes(app: FastAPI) -> None:
    from songsinh.web.api import describe
    from songsinh.web.api import routers as programs
    from songsinh.web.metrics import ROUTER as METERED
    from songsinh.web.pages import routers as pages

    for router in (*programs, METERED, *pages):
        # flat, so that a walk over app.routes meets every route with its rule
        app.router.routes.extend(router.routes)
    for router in pages:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.methods and "GET" in route.methods:
                route.methods.add("HEAD")  # as browsers and programs that check links ask
    describe(app)
    if STATIC.is_dir():
        files = GZipMiddleware(StaticFiles(directory=STATIC), minimum_size=500)
        app.mount("/static", files, name="static")
