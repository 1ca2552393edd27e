"""Pages for people: one file per page."""

from fastapi import APIRouter

from songsinh.web.pages import (
    account,
    alerts,
    appearance,
    choices,
    entrance,
    evidence,
    explorer,
    feeds,
    home,
    making,
    people,
    questions,
    twin,
)

__all__ = ["routers"]

routers: tuple[APIRouter, ...] = (
    home.router,
    making.router,
    questions.router,
    evidence.router,
    twin.router,
    alerts.router,
    explorer.router,
    feeds.router,
    choices.router,
    appearance.router,
    entrance.router,
    account.router,
    people.router,
)
