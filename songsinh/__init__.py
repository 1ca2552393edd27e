"""Songsinh: build twins of real things, and know how far to trust them.

The public names live behind the doors below and are fetched when first asked for, so that
`import songsinh` alone stays fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from songsinh.errors import BoundsError as BoundsError
    from songsinh.errors import CalibrationError as CalibrationError
    from songsinh.errors import DataError as DataError
    from songsinh.errors import FilterError as FilterError
    from songsinh.errors import ModelError as ModelError
    from songsinh.errors import PilotError as PilotError
    from songsinh.errors import SettingError as SettingError
    from songsinh.errors import SignalError as SignalError
    from songsinh.errors import SolverError as SolverError
    from songsinh.errors import SongsinhError as SongsinhError
    from songsinh.errors import UnitError as UnitError
    from songsinh.metrics import coverage as coverage
    from songsinh.metrics import crps as crps
    from songsinh.metrics import mae as mae
    from songsinh.metrics import quantiles as quantiles
    from songsinh.metrics import rank_histogram as rank_histogram
    from songsinh.metrics import rmse as rmse
    from songsinh.metrics import skill as skill
    from songsinh.models import Array as Array
    from songsinh.models import Equations as Equations
    from songsinh.models import Event as Event
    from songsinh.models import Explicit as Explicit
    from songsinh.models import FixedStep as FixedStep
    from songsinh.models import Forcing as Forcing
    from songsinh.models import Model as Model
    from songsinh.models import Run as Run
    from songsinh.models import Solver as Solver
    from songsinh.models import Stiff as Stiff
    from songsinh.models import Traits as Traits
    from songsinh.models import columns as columns
    from songsinh.models import forcing as forcing
    from songsinh.models import read_model as read_model
    from songsinh.models import simulate as simulate
    from songsinh.series import Interpolation as Interpolation
    from songsinh.series import Series as Series
    from songsinh.series import read_series as read_series
    from songsinh.series import write_series as write_series
    from songsinh.signals import Kind as Kind
    from songsinh.signals import Signal as Signal
    from songsinh.signals import Signals as Signals
    from songsinh.signals import input_ as input_
    from songsinh.signals import output as output
    from songsinh.signals import parameter as parameter
    from songsinh.signals import state as state
    from songsinh.twin import Alert as Alert
    from songsinh.twin import Assimilation as Assimilation
    from songsinh.twin import Belief as Belief
    from songsinh.twin import Calibration as Calibration
    from songsinh.twin import Card as Card
    from songsinh.twin import Check as Check
    from songsinh.twin import Coverage as Coverage
    from songsinh.twin import Crowd as Crowd
    from songsinh.twin import Cut as Cut
    from songsinh.twin import CVaR as CVaR
    from songsinh.twin import Decision as Decision
    from songsinh.twin import EnsembleTransform as EnsembleTransform
    from songsinh.twin import Experiment as Experiment
    from songsinh.twin import Fleet as Fleet
    from songsinh.twin import Forecast as Forecast
    from songsinh.twin import Identifiability as Identifiability
    from songsinh.twin import Limit as Limit
    from songsinh.twin import Looked as Looked
    from songsinh.twin import Mean as Mean
    from songsinh.twin import Method as Method
    from songsinh.twin import Noise as Noise
    from songsinh.twin import Optimum as Optimum
    from songsinh.twin import Outcome as Outcome
    from songsinh.twin import Particle as Particle
    from songsinh.twin import Quantile as Quantile
    from songsinh.twin import Ranks as Ranks
    from songsinh.twin import Risk as Risk
    from songsinh.twin import Scores as Scores
    from songsinh.twin import Structure as Structure
    from songsinh.twin import Timeline as Timeline
    from songsinh.twin import Told as Told
    from songsinh.twin import Track as Track
    from songsinh.twin import Verdict as Verdict
    from songsinh.twin import advance as advance
    from songsinh.twin import alert as alert
    from songsinh.twin import assimilate as assimilate
    from songsinh.twin import believe as believe
    from songsinh.twin import calibrate as calibrate
    from songsinh.twin import crossing_times as crossing_times
    from songsinh.twin import decide as decide
    from songsinh.twin import diagnose as diagnose
    from songsinh.twin import exponential as exponential
    from songsinh.twin import fit_series as fit_series
    from songsinh.twin import follow as follow
    from songsinh.twin import forecast as forecast
    from songsinh.twin import learn_cut as learn_cut
    from songsinh.twin import optimise as optimise
    from songsinh.twin import random_walk as random_walk
    from songsinh.twin import score_bands as score_bands
    from songsinh.twin import structural_model as structural_model
    from songsinh.twin import taper as taper
    from songsinh.twin import timeline as timeline
    from songsinh.twin import track as track
    from songsinh.units import UNITS as UNITS
    from songsinh.units import Unit as Unit
    from songsinh.units import check_unit as check_unit
    from songsinh.units import from_si as from_si
    from songsinh.units import to_si as to_si

__version__: Final = "0.2.0"

# light doors first: a name found there never loads a compiler
_DOORS: Final = (
    "songsinh.signals",
    "songsinh.units",
    "songsinh.series",
    "songsinh.metrics",
    "songsinh.errors",
    "songsinh.models",
    "songsinh.twin",
)


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        for path in _DOORS:
            try:
                door = import_module(path)
            except ModuleNotFoundError as error:
                # a part that is not there has no names; a missing package is a real error
                if error.name != path:
                    raise
                continue
            if name in door.__all__:
                value = getattr(door, name)
                globals()[name] = value
                return value
    raise AttributeError(f"songsinh has no public name {name!r}; see docs/reference.md")


def __dir__() -> list[str]:
    doors = (import_module(path) for path in _DOORS)
    return sorted({"__version__", *(name for door in doors for name in door.__all__)})
