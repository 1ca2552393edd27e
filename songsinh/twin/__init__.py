"""Twins: belief, fit, follow, forecast, warn, decide, and how far to trust all that."""

from songsinh.twin.alerts import Alert, Timeline, alert, timeline
from songsinh.twin.assimilation import Assimilation, assimilate
from songsinh.twin.baselines import exponential, random_walk
from songsinh.twin.belief import Belief, Noise, believe
from songsinh.twin.calibration import Calibration, calibrate
from songsinh.twin.credibility import Card, Check, Coverage, Ranks
from songsinh.twin.crossings import crossing_times
from songsinh.twin.crowds import Crowd, Looked, Told
from songsinh.twin.cuts import Cut, learn_cut
from songsinh.twin.decisions import Decision, Outcome, decide
from songsinh.twin.diagnosis import Verdict, diagnose
from songsinh.twin.experiments import Experiment
from songsinh.twin.filters import EnsembleTransform, Method, Particle, taper
from songsinh.twin.fleets import Fleet
from songsinh.twin.following import Track, follow, track
from songsinh.twin.forecasts import Forecast, forecast
from songsinh.twin.identifiability import Identifiability
from songsinh.twin.motion import advance
from songsinh.twin.optimisation import Optimum, optimise
from songsinh.twin.risks import CVaR, Limit, Mean, Quantile, Risk
from songsinh.twin.scores import Scores, score_bands
from songsinh.twin.structural import Structure, structural_model
from songsinh.twin.structural_fit import fit_series

__all__ = [
    "Alert",
    "Assimilation",
    "Belief",
    "CVaR",
    "Calibration",
    "Card",
    "Check",
    "Coverage",
    "Crowd",
    "Cut",
    "Decision",
    "EnsembleTransform",
    "Experiment",
    "Fleet",
    "Forecast",
    "Identifiability",
    "Limit",
    "Looked",
    "Mean",
    "Method",
    "Noise",
    "Optimum",
    "Outcome",
    "Particle",
    "Quantile",
    "Ranks",
    "Risk",
    "Scores",
    "Structure",
    "Timeline",
    "Told",
    "Track",
    "Verdict",
    "advance",
    "alert",
    "assimilate",
    "believe",
    "calibrate",
    "crossing_times",
    "decide",
    "diagnose",
    "exponential",
    "fit_series",
    "follow",
    "forecast",
    "learn_cut",
    "optimise",
    "random_walk",
    "score_bands",
    "structural_model",
    "taper",
    "timeline",
    "track",
]
