"""Models: laws of change over signals, and what runs them."""

from songsinh.models.equations import Equations, Event, Explicit, FixedStep, Solver, Stiff
from songsinh.models.model import Array, Forcing, Model, Run, Traits, columns, forcing
from songsinh.models.simulation import simulate
from songsinh.models.written import read_model

__all__ = [
    "Array",
    "Equations",
    "Event",
    "Explicit",
    "FixedStep",
    "Forcing",
    "Model",
    "Run",
    "Solver",
    "Stiff",
    "Traits",
    "columns",
    "forcing",
    "read_model",
    "simulate",
]
