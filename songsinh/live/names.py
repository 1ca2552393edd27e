"""The names of twins and signals behind the numbers that the log and the tables use."""

from threading import Lock
from typing import final

from sqlalchemy import Engine, select

from songsinh.database import tables
from songsinh.errors import LiveError

__all__ = ["Names"]


@final
class Names:
    """Looks names up in the database once; what is not known is looked up again."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = Lock()
        self._signals: dict[int, tuple[str, str]] = {}
        self._twins: dict[int, str] = {}

    def signal(self, number: int) -> tuple[str, str]:
        """The twin and the name of a signal; of one that was deleted, its number."""
        if number not in self._signals:
            self._refresh()
        # a reading is never lost for want of a name
        return self._signals.setdefault(number, ("", f"signal-{number}"))

    def twin(self, number: int) -> str:
        """The name of a twin; LiveError if there is none."""
        if number not in self._twins:
            self._refresh()
        if number not in self._twins:
            raise LiveError(f"there is no twin with the number {number}; ask for one that is")
        return self._twins[number]

    def signals(self) -> dict[int, tuple[str, str]]:
        """Twin and name of every signal that is in the database now, by number."""
        self._refresh()
        return dict(self._signals)

    def _refresh(self) -> None:
        twins, signals = tables.twins, tables.signals
        with self._lock, self._engine.connect() as connection:
            named = connection.execute(select(twins.c.id, twins.c.name)).all()
            self._twins = {row.id: row.name for row in named}
            found = connection.execute(select(signals.c.id, signals.c.twin, signals.c.name))
            self._signals = {row.id: (self._twins[row.twin], row.name) for row in found}
