"""Files that are either whole or not there."""

import os
import tempfile
from pathlib import Path

from songsinh.errors import SettingError

__all__ = ["write_whole"]


def write_whole(path: str | os.PathLike[str], content: bytes | str) -> Path:
    """Write a file in one step; whatever happens, it is the old file or the whole new one.

    The content goes to a temporary file in the same folder, which then takes the name.
    """
    target = Path(path)
    data = content.encode() if isinstance(content, str) else content
    if target.is_dir():
        raise SettingError(f"cannot write {str(target)!r}: it is a folder; name a file in it")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise SettingError(
            f"cannot write {str(target)!r}: {error.strerror}; choose another folder"
        ) from error
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, _mode(target))
        os.replace(name, target)
    except BaseException:
        # Ctrl-C too: nothing half-written stays behind
        Path(name).unlink(missing_ok=True)
        raise
    return target


def _mode(target: Path) -> int:
    """The access bits for a file: those it had, or those the user's mask gives a new one."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
