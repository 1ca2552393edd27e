"""Settings: read once at the door from config.toml and SONGSINH_..., and passed down."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, final

from songsinh.errors import SettingError, near

__all__ = ["Settings", "read_settings"]

PREFIX: Final = "SONGSINH_"
OTHERS: Final = ("SONGSINH_DATA",)  # read elsewhere
CONFIG: Final = "config.toml"


@final
@dataclass(frozen=True)
class Settings:
    """Where the centre keeps what it knows, and where it listens.

    An empty `database` or `history` lies in `home`. `storage` holds what an S3-style store
    needs, `openid` the provider: issuer, client_id, client_secret, name.
    """

    home: Path
    database: str = ""
    history: str = ""
    host: str = "127.0.0.1"
    port: int = 8642
    public_address: str = ""  # as others see it, when behind a proxy
    allowed_hosts: tuple[str, ...] = ()
    behind_proxy: bool = False
    tls_certificate: str = ""
    tls_key: str = field(default="", repr=False)
    storage: Mapping[str, str] = field(default_factory=dict, repr=False)
    openid: Mapping[str, str] = field(default_factory=dict, repr=False)
    publish: Mapping[str, Any] = field(default_factory=dict, repr=False)  # to an MQTT broker
    recordings: tuple[str, ...] = ()  # further folders whose files may be replayed
    sealing: float = 300.0  # s between two moves of readings from the log into the history

    @property
    def database_address(self) -> str:
        """Where the records are."""
        return self.database or f"sqlite:///{self.home / 'centre.db'}"

    @property
    def history_address(self) -> str:
        """Where the history is."""
        return self.history or str(self.home / "history")

    @property
    def recording_folders(self) -> tuple[Path, ...]:
        """Where recordings may be replayed from: the home's own folder first."""
        return (self.home / "recordings", *(Path(one).expanduser() for one in self.recordings))

    @property
    def socket(self) -> Path:
        """Where `live` listens for `serve`."""
        return self.home / "live.sock"

    @property
    def address(self) -> str:
        """What people type into a browser."""
        if self.public_address:
            return self.public_address.rstrip("/")
        host = "localhost" if self.host in ("127.0.0.1", "::1", "0.0.0.0", "::") else self.host
        return f"http{'s' if self.tls_certificate else ''}://{host}:{self.port}"


def read_settings(
    given: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Settings from the home's config.toml, then the environment, then what is given here.

    Raises SettingError for a name or value that does not fit.
    """
    environment = os.environ if environment is None else environment
    chosen = {k: v for k, v in (given or {}).items() if v is not None}
    said = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and name not in OTHERS
    }
    home = Path(chosen.get("home") or said.get("home") or _usual_home(environment)).expanduser()
    file = home / CONFIG
    values: dict[str, Any] = {}
    if file.exists():
        try:
            values = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingError(f"{file} cannot be read: {error}; correct that line") from error
    known = {row.name: row.type for row in fields(Settings)}
    for where, part in ((str(file), values), ("the environment", said), ("the call", chosen)):
        for name in part:
            if name not in known:
                raise SettingError(
                    f"{where} sets {name!r}, which is no setting; {near(name, tuple(known))}"
                )
    merged = {k: _read(k, v, known[k]) for k, v in (values | said | chosen).items()}
    settings = Settings(**merged | {"home": home.resolve()})
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise SettingError("TLS needs both tls_certificate and tls_key; set both or neither")
    if not settings.sealing > 0:
        raise SettingError(f"the setting sealing is {settings.sealing:g}; give s above 0")
    return settings


def _usual_home(environment: Mapping[str, str]) -> Path:
    data = environment.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data) / "songsinh"


def _read(name: str, value: Any, kind: Any) -> Any:
    """A value as its setting wants it; text comes from the environment."""
    try:
        if kind is bool and isinstance(value, str):
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[
                value.lower()
            ]
        if kind in (int, float):
            return kind(value)
        if kind == tuple[str, ...]:
            parts = value.split(",") if isinstance(value, str) else value
            return tuple(str(part).strip() for part in parts)
        if kind in (Mapping[str, str], Mapping[str, Any]):
            parsed = tomllib.loads(f"v = {value}")["v"] if isinstance(value, str) else value
            return {k: str(v) if kind == Mapping[str, str] else v for k, v in parsed.items()}
        return kind(value) if kind in (str, Path, bool) else value
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise SettingError(
            f"the setting {name} is {value!r:.60}, which does not fit; see docs/reference.md"
        ) from error
