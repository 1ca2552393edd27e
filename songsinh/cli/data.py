"""songsinh data get NAME"""

import hashlib
import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, final

import typer

from songsinh.cli.bars import progress
from songsinh.errors import DataError, SettingError, near
from songsinh.files import write_whole

__all__ = ["get_data"]


@final
@dataclass(frozen=True)
class DataSet:
    """A set of recordings: its files by SHA-256, and in words where it comes from."""

    name: str
    source: str
    terms: str
    files: dict[str, str]


def get_data(
    name: Annotated[str, typer.Argument(help="Name of the data set, such as nasa_battery.")],
    out: Annotated[Path, typer.Option(help="Folder that gets a folder of this name.")] = Path(
        "data"
    ),
    origin: Annotated[
        str, typer.Option("--from", help="Folder or web address that holds the files.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Get a data set, each file checked against its known fingerprint.

    Looks in --from, else in the folder that the setting SONGSINH_DATA names.
    """
    known = _known()
    if name not in known:
        raise SettingError(f"there is no data set {name!r}; {near(name, tuple(known))}")
    wanted = known[name]
    place = _place(wanted, origin, os.environ.get("SONGSINH_DATA", ""))
    contents: dict[str, bytes] = {}
    with progress() as tell:
        for done, (file, fingerprint) in enumerate(wanted.files.items()):
            tell(f"Getting {file}", done / len(wanted.files))
            contents[file] = _fetch(place, file, fingerprint)
        # all are whole and right before the first is written
        for file, content in contents.items():
            write_whole(out / name / file, content)
    if as_json:
        print(json.dumps({"folder": str(out / name), "files": list(contents)}))
        return
    print(f"{len(contents)} files are in {out / name}. Terms: {wanted.terms}")


def _known() -> dict[str, DataSet]:
    table = tomllib.loads(Path(__file__).with_name("datasets.toml").read_text(encoding="utf-8"))
    return {name: DataSet(name, **row) for name, row in table.items()}


def _place(wanted: DataSet, origin: str, setting: str) -> str:
    if origin:
        return origin.rstrip("/")
    if setting:
        return str(Path(setting) / wanted.name)
    raise SettingError(
        f"no place is known for the data set {wanted.name!r}; name one with --from or set "
        f"SONGSINH_DATA to the folder that holds the folder {wanted.name!r} (source: "
        f"{wanted.source})"
    )


def _fetch(place: str, file: str, fingerprint: str) -> bytes:
    from urllib.request import urlopen

    address = f"{place}/{file}"
    try:
        if place.startswith(("https://", "http://")):
            with urlopen(address, timeout=60) as answer:
                content: bytes = answer.read()
        else:
            content = Path(address).read_bytes()
    except OSError as error:
        raise DataError(f"it cannot be read ({error}); check --from", file=address) from error
    seen = hashlib.sha256(content).hexdigest()
    if seen != fingerprint:
        raise DataError(
            f"its SHA-256 begins {seen[:12]}, not {fingerprint[:12]}; get an unchanged copy",
            file=address,
        )
    return content
