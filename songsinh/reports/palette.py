"""The colours of pictures: drawn as placeholders, shown as variables of the page's style.

A picture names roles, not colours, so that the page can be light or dark. The pairs of light
and dark are in templates/report.css. Blue, orange, green and purple stay apart for people who
see few colours (source: Okabe and Ito, 2008), and no meaning hangs on colour alone.
"""

from typing import Final

__all__ = ["COLOURS", "SERIES", "colour"]

_ROLES: Final = (
    "ink",  # what was measured, and text
    "soft",  # labels
    "rule",  # axes and grids
    "paper",  # the ground
    "twin",  # what the twin says
    "warn",  # thresholds and events
    "first",  # baselines and further curves
    "second",
    "third",
)

# near-black marks that no drawing uses for itself
COLOURS: Final = {role: f"#0{number}0f0{number}" for number, role in enumerate(_ROLES, start=1)}
SERIES: Final = ("twin", "first", "second", "third")


def colour(role: str) -> str:
    """The placeholder that stands for a role until the page gives it a colour."""
    return COLOURS[role]
