"""Figures as SVG that lives inside a page: no colours, fonts, sizes or names of its own."""

import io
import re
from html import escape
from typing import TYPE_CHECKING, Any

from songsinh.reports.palette import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["inline_svg", "settings"]

_NONE = ("Date", "Creator", "Format", "Type")


def settings() -> dict[Any, Any]:
    """What matplotlib must be told so that equal figures give equal bytes and text stays text."""
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "songsinh",
        "axes.formatter.useoffset": False,
        "axes.unicode_minus": True,
        "font.family": "DejaVu Sans",  # comes with matplotlib, so sizes are the same everywhere
        "font.size": 11.5,
        "text.parse_math": False,  # a dollar sign is a dollar sign
    }


def inline_svg(figure: "Figure", *, name: str, alt: str, style: str = "") -> str:
    """The figure as an <svg> element: `name` keeps its inner names apart, `alt` describes it."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata=dict.fromkeys(_NONE))
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.S)
    head, _, body = text.partition(">")
    box = re.search(r'viewBox="([^"]+)"', head)
    size = box.group(1) if box else "0 0 1 1"
    body = re.sub(r"<[^>]*>", lambda found: _tag(found.group(), name), body)
    used = set(re.findall(r"(?:url\(#|href=\"#)([^\")]+)", body))
    body = re.sub(
        r' id="([^"]*)"', lambda found: found.group() if found.group(1) in used else "", body
    )
    body = re.sub(r">\s+<", ">\n<", body)
    width = float(size.split()[2])
    described = f'<title id="{name}-alt">{escape(alt, quote=False)}</title>'
    css = f"max-width:{width:g}px" + (f";{style}" if style else "")
    opening = f'<svg viewBox="{size}" role="img" aria-labelledby="{name}-alt" style="{css}">'
    return f"{opening}\n{described}{body}".rstrip()


def _tag(tag: str, name: str) -> str:
    """One tag with page colours, the page's font, short numbers and names of its own."""
    for role, mark in COLOURS.items():
        tag = tag.replace(mark, f"var(--{role})")
    tag = tag.replace("xlink:href", "href")
    tag = re.sub(r'id="([^"]+)"', rf'id="{name}-\1"', tag)
    tag = re.sub(r"url\(#", f"url(#{name}-", tag)
    tag = re.sub(r'href="#', f'href="#{name}-', tag)
    tag = re.sub(
        r"font:\s*([^;\"]*?)([\d.]+)px[^;\"]*",
        lambda found: (
            f"font-size: {found.group(2)}px"
            + ("; font-weight: 600" if re.search(r"bold|[6-9]00", found.group(1)) else "")
        ),
        tag,
    )
    # the page chooses the font, and what SVG takes for granted need not be said
    tag = tag.replace("; font-family: 'DejaVu Sans'", "").replace("; text-anchor: start", "")
    return re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found.group()):.2f}", tag)
