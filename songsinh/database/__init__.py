"""The records of the centre: one database, SQLite in a file or PostgreSQL by its address."""

from songsinh.database import tables
from songsinh.database.opening import open_database
from songsinh.database.tables import METADATA

__all__ = ["METADATA", "open_database", "tables"]
