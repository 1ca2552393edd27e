"""Crowds: the beliefs of many twins as plain arrays, one row for each twin."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from songsinh.models import Array

__all__ = ["FAULTS", "REASONS", "Crowd", "Looked", "Told"]

Whole = NDArray[np.int64]
REASONS = ("", "wild", "broken", "silent", "late", "failed")  # by the codes of `Told.aside`
FAULTS: Mapping[int, str] = {
    1: "its reading is no later than the belief",
    2: "most of its members failed; check the readings and the bounds of states and parameters",
    3: "its members are all the same, so no reading can correct them; give it some spread or drift",
    4: "its belief collapsed: a correction is not finite; check the sensors' noise",
}


@final
@dataclass(frozen=True, eq=False)
class Crowd:
    """What the twins of a fleet believe: arrays whose first axis is the twin.

    `times` and `input_times` are in s; `states` and `parameters` are [twins, members, columns],
    `inputs` [twins, columns] those that hold now. `memories` and `likeness` are as in `Belief`;
    `seen` is False for a twin that has seen no reading yet.
    """

    times: Array
    states: Array
    parameters: Array
    seeds: NDArray[np.uint64]
    cycles: Whole
    inflations: Array
    memories: Array
    likeness: Array
    seen: NDArray[np.bool_]
    inputs: Array
    input_times: Array

    def __len__(self) -> int:
        return len(self.times)

    def copy_rows(self, rows: ArrayLike) -> "Crowd":
        """A crowd of these rows alone, which does not change with this one."""
        picked = np.asarray(rows, dtype=np.intp)
        return Crowd(*(getattr(self, field.name)[picked] for field in fields(Crowd)))

    def set_rows(self, rows: ArrayLike, other: "Crowd") -> None:
        """Put the rows of another crowd, all of them in order, into these rows."""
        picked = np.asarray(rows, dtype=np.intp)
        for field in fields(Crowd):
            getattr(self, field.name)[picked] = getattr(other, field.name)


class Told(NamedTuple):
    """What became of readings that were folded; the first axis is the reading.

    `means` and `sds` [k, states then parameters] are of the belief after each, `expected` and
    `doubt` [k, sensors] what its sensors were to read before, `innovation` the reading less
    that in units of the doubt. `aside` [k, sensors] says why a reading was not used (see
    `REASONS`, 0 used), `lost` [k] how many members failed and were replaced. `codes` [k] is 0
    where all went well; see `FAULTS` for the others, which leave the twin as it was.
    """

    means: Array
    sds: Array
    expected: Array
    doubt: Array
    innovation: Array
    aside: Whole
    lost: Whole
    codes: Whole


class Looked(NamedTuple):
    """Members ahead: `shown` [k, samples, members, states then outputs]; `codes` as in `Told`."""

    shown: Array
    codes: Whole
