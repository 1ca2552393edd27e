"""Archives: a tar file with the SHA-256 of each of its files, whole or not there."""

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Final, final

from songsinh.errors import DataError, SettingError

__all__ = ["Packer", "pack", "unpack"]

LIST: Final = "CHECKSUMS"
PORTION: Final = 1 << 20
COMPRESSIONS: Final = {".tar": None, ".gz": "gzip", ".tgz": "gzip", ".zst": "zstd"}


@final
class Packer:
    """Takes files into an archive, and counts and sums what it takes."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.sums: dict[str, str] = {}

    def add(self, name: str, source: IO[bytes], size: int) -> None:
        """Take `size` bytes of a file in under a name."""
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = size, 0o600
        seen = _Watched(source)
        try:
            self._tar.addfile(entry, seen)
        except OSError as error:
            raise DataError(
                f"it could not be read whole ({error}); try again", file=name
            ) from error
        self.sums[name] = seen.sum.hexdigest()

    def add_bytes(self, name: str, content: bytes) -> None:
        """Take a short content in under a name."""
        self.add(name, io.BytesIO(content), len(content))


@contextmanager
def pack(target: Path) -> Iterator[Packer]:
    """A new archive to fill; it has its name only once it is whole and was read back."""
    import pyarrow as pa

    compression = _compression(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise SettingError(
            f"cannot write {str(target)!r}: {error.strerror}; choose another folder"
        ) from error
    part = Path(name)  # only its owner may read it: it holds secrets
    try:
        with (
            pa.output_stream(str(part), compression=compression) as out,
            tarfile.open(fileobj=out, mode="w|") as tar,
        ):
            packer = Packer(tar)
            yield packer
            lines = "".join(f"{packer.sums[name]}  {name}\n" for name in packer.sums)
            packer.add_bytes(LIST, lines.encode())
        os.fsync(number)
        _read(part, compression, lambda name, source: None)
        os.replace(part, target)
    finally:
        os.close(number)
        part.unlink(missing_ok=True)


def unpack(archive: Path, folder: Path) -> list[str]:
    """The names of the files, now in a folder; DataError unless all are there as they were."""

    def keep(name: str, source: IO[bytes]) -> None:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with place.open("xb") as out:
            os.chmod(place, 0o600)
            while portion := source.read(PORTION):
                out.write(portion)
            out.flush()
            os.fsync(out.fileno())

    return _read(archive, _compression(archive), keep)


def _read(
    archive: Path, compression: str | None, keep: Callable[[str, IO[bytes]], None]
) -> list[str]:
    """Go through an archive and compare what is in it with its list."""
    import pyarrow as pa

    seen: dict[str, str] = {}
    listed = b""
    try:
        with (
            pa.input_stream(str(archive), compression=compression) as source,
            tarfile.open(fileobj=source, mode="r|") as tar,
        ):
            for entry in tar:
                file = _Watched(_inside(tar, entry))
                if entry.name == LIST:
                    listed = file.read()
                    continue
                keep(entry.name, file)  # type: ignore[arg-type]
                while file.read(PORTION):
                    pass
                seen[entry.name] = file.sum.hexdigest()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise DataError(
            f"it is no whole backup ({error}); take another copy", file=str(archive)
        ) from error
    rows = [line.partition("  ") for line in listed.decode(errors="replace").splitlines()]
    wanted = {name: total for total, _, name in rows}
    wrong = sorted(name for name in {*wanted, *seen} if wanted.get(name) != seen.get(name))
    if wrong or not seen:
        raise DataError(
            f"its {wrong[0] if wrong else LIST} is not as it was packed; take another copy",
            file=str(archive),
        )
    return list(seen)


def _inside(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    """The content of a plain file that stays inside the folder it is unpacked to."""
    path = PurePosixPath(entry.name)
    source = tar.extractfile(entry) if entry.isfile() else None
    if source is None or path.is_absolute() or ".." in path.parts or "\\" in entry.name:
        raise tarfile.TarError(f"it holds {entry.name!r:.80}, which is no plain file of a backup")
    return source


@final
class _Watched:
    """A file that sums what is read from it."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.sum = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        portion = self._source.read(size)
        self.sum.update(portion)
        return portion


def _compression(target: Path) -> str | None:
    if target.suffix not in COMPRESSIONS:
        raise SettingError(
            f"{target.name!r} does not end like a backup; use .tar, .tar.gz or .tar.zst"
        )
    return COMPRESSIONS[target.suffix]
