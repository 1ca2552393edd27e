"""What the web part is told once, when it starts."""

from dataclasses import dataclass, field
from typing import Final, final
from urllib.parse import urlsplit

from songsinh.errors import SettingError

__all__ = ["OpenId", "WebSettings"]

MIB: Final = 1 << 20
HOUR: Final = 3600.0
PRIVATE: Final = ("127.0.0.0/8", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")


@final
@dataclass(frozen=True)
class OpenId:
    """An OpenID Connect provider that vouches for people; `name` stands on the button."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str = "single sign-on"


@final
@dataclass(frozen=True)
class WebSettings:
    """Where the centre listens, and how strict it is. Times in s, sizes in bytes.

    `secret` signs forms: at least 32 bytes of chance, kept in the home folder. `address` is how
    people reach the centre when it is not `host` and `port`: behind a proxy, by its name.
    """

    secret: bytes = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 8642
    address: str = ""
    allowed_hosts: tuple[str, ...] = ()
    tls_certificate: str | None = None
    tls_key: str | None = None
    behind_proxy: bool = False
    proxies: tuple[str, ...] = PRIVATE  # whose word about addresses is taken, if behind one
    openid: OpenId | None = None
    body_limit: int = 10 * MIB
    upload_limit: int = 256 * MIB
    session_idle: float = 12 * HOUR
    session_most: float = 14 * 24 * HOUR
    calls_per_second: float = 100.0  # of one address, and of one person
    tries_per_minute: float = 20.0  # to sign in, of one address
    open_metrics: bool = False  # /metrics without a token, to programs on this machine

    def __post_init__(self) -> None:
        if len(self.secret) < 32:
            raise SettingError(
                f"the secret of the centre has {len(self.secret)} bytes; give it at least 32"
            )
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise SettingError(
                "TLS needs a certificate and its key, and one is missing; "
                "set both tls_certificate and tls_key"
            )
        if self.address and urlsplit(self.address).scheme not in ("http", "https"):
            raise SettingError(
                f"the address {self.address!r} is not a web address; "
                "write it like https://twins.example.org"
            )

    @property
    def base(self) -> str:
        """The centre's web address, without a slash at its end."""
        if self.address:
            return self.address.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.tls_certificate else ''}://{host}:{self.port}"

    @property
    def secure(self) -> bool:
        """Whether people reach the centre over TLS, so that cookies may insist on it."""
        return self.base.startswith("https://")

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names it answers to: an unknown one is a foreign page in disguise."""
        own = {"localhost", "127.0.0.1", "[::1]", urlsplit(self.base).hostname or ""}
        return tuple(sorted({*own, *self.allowed_hosts} - {""}))
