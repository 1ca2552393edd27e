"""Sources: where readings come from. Each brings them to `take` and keeps its connection up."""

from songsinh.live.sources.broker import Note, Take
from songsinh.live.sources.kinds import KINDS, SECRETS, Kind, read_settings

__all__ = ["KINDS", "SECRETS", "Kind", "Note", "Take", "read_settings"]
