"""songsinh backup and songsinh restore"""

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from songsinh.cli.archives import Packer, pack, unpack
from songsinh.cli.settings import Settings, read_settings
from songsinh.errors import SettingError

__all__ = ["restore_backup", "write_backup"]

Home = Annotated[Path | None, typer.Option(help="Folder that holds all the centre knows.")]
SMALL: Final = ("config.toml", "secret")
ABOUT: Final = "backup.json"


def write_backup(
    file: Annotated[Path, typer.Argument(help="Archive to write: .tar, .tar.gz or .tar.zst.")],
    home: Home = None,
) -> None:
    """Write everything the centre knows into one file, while it runs."""
    from songsinh.cli.copies import copy_records

    settings = read_settings({"home": home})
    with pack(file) as packer, tempfile.TemporaryDirectory(dir=file.parent) as folder:
        records, last = copy_records(settings.database_address, Path(folder))
        with records.open("rb") as source:
            packer.add(records.name, source, records.stat().st_size)
        _pack_history(packer, settings, last)
        for name in SMALL:
            if (settings.home / name).is_file():
                packer.add_bytes(name, (settings.home / name).read_bytes())
        about = {"made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "log": last}
        packer.add_bytes(ABOUT, json.dumps(about).encode())
    print(f"{len(packer.sums)} files are in {file} ({file.stat().st_size / 1e6:.1f} MB).")
    print("It holds passwords and keys: keep it where only you can read it.")


def restore_backup(
    file: Annotated[Path, typer.Argument(help="Archive that `songsinh backup` wrote.")],
    home: Home = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put an earlier home aside, as NAME.before.")
    ] = False,
) -> None:
    """Bring a backup back into a new home; the twins go on from the beliefs they had."""
    target = read_settings({"home": home}).home
    before = _room(target, replace)
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        names = unpack(file, staged)
        (staged / ABOUT).unlink(missing_ok=True)
        _place(read_settings({"home": staged}), names)
        if before is not None:
            target.rename(before)
        elif target.exists():
            target.rmdir()  # empty
        staged.rename(target)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    print(f"{len(names)} files are back in {target}. Start it: songsinh start --home {target}")


def _pack_history(packer: Packer, settings: Settings, last: int) -> None:
    from songsinh.cli.copies import SHELVES, history_pieces, open_store

    address, options = settings.history_address, settings.storage
    for shelf in SHELVES:
        for piece in history_pieces(address, shelf, options=options, most=last):
            with open_store(address, options).open_input_stream(piece.path) as source:
                packer.add(f"history/{piece.path}", source, piece.size)


def _place(settings: Settings, names: list[str]) -> None:
    """Put what was unpacked where the settings, which came with it, want it."""
    from songsinh.cli.copies import fill_records, open_store

    records = next((settings.home / n for n in names if n in ("centre.db", "centre.dump")), None)
    if records is None:
        raise SettingError("the archive holds no records; name a file that songsinh backup wrote")
    address = settings.history_address
    unpacked = settings.home / "history"
    if address != str(unpacked):
        store = open_store(address, settings.storage)
        _refuse_full(store, address)
        for name in (n for n in names if n.startswith("history/")):
            path = name.removeprefix("history/")
            store.create_dir(path.rpartition("/")[0], recursive=True)
            with store.open_output_stream(path) as out, (settings.home / name).open("rb") as source:
                shutil.copyfileobj(source, out)
        shutil.rmtree(unpacked, ignore_errors=True)
    fill_records(settings.database_address, records)


def _refuse_full(store: Any, address: str) -> None:
    import pyarrow.fs as pf

    selector = pf.FileSelector("", recursive=True, allow_not_found=True)
    if any(info.is_file for info in store.get_file_info(selector)):
        raise SettingError(
            f"there is a history at {address!r} already; set `history` to an empty place"
        )


def _room(target: Path, replace: bool) -> Path | None:
    """Where an earlier home goes; None when there is none."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return None
    before = target.with_name(f"{target.name}.before")
    if not replace:
        raise SettingError(
            f"{str(target)!r} is not empty; name a new home with --home, or say --replace"
        )
    if before.exists():
        raise SettingError(f"there is {str(before)!r} from before; move it away first")
    return before
