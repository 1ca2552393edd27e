"""Reports: a credibility card and pictures as one page that a person likes to read."""

from songsinh.reports.pages import render, write_report
from songsinh.reports.pictures import (
    Alarm,
    CoverageBars,
    Curve,
    Fan,
    Panels,
    Picture,
    RankHistograms,
    Scatter,
    Timeline,
    Traces,
)

__all__ = [
    "Alarm",
    "CoverageBars",
    "Curve",
    "Fan",
    "Panels",
    "Picture",
    "RankHistograms",
    "Scatter",
    "Timeline",
    "Traces",
    "render",
    "write_report",
]
