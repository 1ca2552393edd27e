"""Sign in by OpenID Connect: code flow with PKCE, for people whom the centre knows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final
from urllib.parse import urlsplit

import httpx
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from itsdangerous import BadData, URLSafeTimedSerializer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import Connection, select, update

from songsinh.database import tables
from songsinh.errors import AccessError, LiveError
from songsinh.web.security import audit
from songsinh.web.security.secrets import draw, same
from songsinh.web.settings import OpenId, WebSettings

__all__ = ["COOKIE", "Claims", "known_person", "redeem", "start"]

people: Final = tables.people
COOKIE: Final = "songsinh-openid"
LONGEST: Final = 600  # s that a person may take at the provider
ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
AGAIN: Final = "go back and sign in again"


@final
@dataclass(frozen=True)
class Claims:
    """What a provider vouches for."""

    subject: str
    email: str
    verified: bool


async def start(settings: WebSettings) -> tuple[str, str]:
    """The provider's address to send the browser to, and the cookie that must come back."""
    provider = _provider(settings)
    found = await _discover(provider)
    kept = {"state": draw(), "nonce": draw(), "verifier": draw()}
    address = add_params_to_uri(
        found["authorization_endpoint"],
        [
            ("response_type", "code"),
            ("client_id", provider.client_id),
            ("redirect_uri", _back(settings)),
            ("scope", "openid email profile"),
            ("state", kept["state"]),
            ("nonce", kept["nonce"]),
            ("code_challenge", create_s256_code_challenge(kept["verifier"])),
            ("code_challenge_method", "S256"),
        ],
    )
    return address, _signer(settings).dumps(kept)


async def redeem(settings: WebSettings, query: Mapping[str, str], cookie: str) -> Claims:
    """What the provider vouches for, or AccessError: all that came back fits what was sent."""
    provider = _provider(settings)
    try:
        kept = _signer(settings).loads(cookie, max_age=LONGEST)
    except BadData as error:
        raise AccessError(f"the sign-in took too long or began elsewhere; {AGAIN}") from error
    if not same(query.get("state", ""), kept["state"]):
        raise AccessError(f"the answer belongs to another sign-in; {AGAIN}")
    found = await _discover(provider)
    if query.get("iss", provider.issuer) != provider.issuer:
        raise AccessError(f"the answer comes from another provider; {AGAIN}")
    if "code" not in query:
        raise AccessError(f"{provider.name} did not let you in; {AGAIN}")
    form = {
        "grant_type": "authorization_code",
        "code": query["code"],
        "redirect_uri": _back(settings),
        "code_verifier": kept["verifier"],
    }
    basic = httpx.BasicAuth(provider.client_id, provider.client_secret)
    answer = await _fetch(found["token_endpoint"], form=form, auth=basic)
    keys = KeySet.import_key_set(await _fetch(found["jwks_uri"]))  # type: ignore[arg-type]
    claims = _read(str(answer.get("id_token", "")), keys, provider)
    if not same(str(claims.get("nonce", "")), kept["nonce"]):
        raise AccessError(f"the provider's answer was made for another sign-in; {AGAIN}")
    return Claims(
        f"{provider.issuer} {claims['sub']}",
        str(claims.get("email", "")).lower(),
        claims.get("email_verified") is True,
    )


def known_person(connection: Connection, claims: Claims) -> int | None:
    """The number of the person vouched for: known by subject, or at first by a verified e-mail."""
    row = _find(connection, people.c.subject == claims.subject)
    if row is None and claims.verified and claims.email:
        # somebody who is known to the provider by another subject is somebody else
        row = _find(connection, (people.c.email == claims.email) & people.c.subject.is_(None))
        if row is not None:
            mine = update(people).where(people.c.id == row.id).values(subject=claims.subject)
            connection.execute(mine)
            audit.write(connection, row.email, "provider linked", row.email)
    if row is None:
        audit.write(connection, "", "sign-in refused", claims.email, {"by": "provider"})
        return None
    audit.write(connection, row.email, "signed in", row.email, {"by": "provider"})
    return int(row.id)


def _find(connection: Connection, condition: Any) -> Any:
    asked = select(people.c.id, people.c.email).where(condition, people.c.disabled.is_(False))
    return connection.execute(asked).first()


def _read(token: str, keys: KeySet, provider: OpenId) -> dict[str, Any]:
    checks = jwt.JWTClaimsRegistry(
        leeway=60,
        iss={"essential": True, "value": provider.issuer},
        aud={"essential": True, "value": provider.client_id},
        exp={"essential": True},
        iat={"essential": True},
        sub={"essential": True},
    )
    try:
        claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
        checks.validate(claims)
    except (JoseError, ValueError, KeyError) as error:
        raise AccessError(f"the provider's answer does not hold ({error}); {AGAIN}") from error
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (several or "azp" in claims) and claims.get("azp") != provider.client_id:
        raise AccessError(f"the provider's answer is for another program; {AGAIN}")
    return dict(claims)


async def _discover(provider: OpenId) -> dict[str, Any]:
    found = await _fetch(f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration")
    if found.get("issuer") != provider.issuer:
        raise LiveError(
            f"the provider calls itself {found.get('issuer')!r}, not {provider.issuer!r}; "
            "correct openid.issuer in the settings"
        )
    return found


async def _fetch(
    address: str, *, form: Mapping[str, str] | None = None, auth: httpx.BasicAuth | None = None
) -> dict[str, Any]:
    try:
        async with httpx.AsyncClient(timeout=10.0, auth=auth) as client:
            if form is None:
                answer = await client.get(address)
            else:
                answer = await client.post(address, data=dict(form))
            answer.raise_for_status()
            found = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, json.JSONDecodeError) as error:
        raise LiveError(
            f"the provider at {urlsplit(address).netloc} does not answer as it should "
            f"({type(error).__name__}); try again, or tell an administrator"
        ) from error
    return found if isinstance(found, dict) else {}


def _provider(settings: WebSettings) -> OpenId:
    if settings.openid is None:
        raise LiveError("no OpenID provider is set; sign in with a password")
    return settings.openid


def _back(settings: WebSettings) -> str:
    return f"{settings.base}/openid/return"


def _signer(settings: WebSettings) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(settings.secret, salt="openid")
