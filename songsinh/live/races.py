"""Races: works that run together until the first of them ends."""

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["until_first"]


async def until_first(*works: Coroutine[Any, Any, Any]) -> None:
    """Run together until one ends, then end the others; what it raised is raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
