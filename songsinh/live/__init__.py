"""Live: twins that follow their machines, from readings to forecasts and alerts."""

from songsinh.live.centre import Centre
from songsinh.live.columns import Columns
from songsinh.live.history import History
from songsinh.live.hub import Frame, Hub
from songsinh.live.link import RemoteHub, serve_hub
from songsinh.live.outlooks import Outlook
from songsinh.live.publishing import publish, read_publishing
from songsinh.live.races import until_first
from songsinh.live.readings import READING, Quality, Readings, Receipt, Row
from songsinh.live.recipes import build_series, build_written
from songsinh.live.rules import Rule
from songsinh.live.sources import KINDS, SECRETS, read_settings
from songsinh.live.sources.push import parse as parse_push
from songsinh.live.twin_tables import title_of, words_of
from songsinh.live.twins import Alarm, Episode, Lever, Question, Twin

__all__ = [
    "KINDS",
    "READING",
    "SECRETS",
    "Alarm",
    "Centre",
    "Columns",
    "Episode",
    "Frame",
    "History",
    "Hub",
    "Lever",
    "Outlook",
    "Quality",
    "Question",
    "Readings",
    "Receipt",
    "RemoteHub",
    "Row",
    "Rule",
    "Twin",
    "build_series",
    "build_written",
    "parse_push",
    "publish",
    "read_publishing",
    "read_settings",
    "serve_hub",
    "title_of",
    "until_first",
    "words_of",
]
