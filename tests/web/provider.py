"""A small OpenID Connect provider for tests: a real server that vouches for invented people."""

import asyncio
import hmac
import json
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from contextlib import contextmanager
from urllib.parse import parse_qs, urlencode

import uvicorn
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

from tests.servers import free_port

CLIENT, SECRET = "songsinh-tests", "only for tests"


class Provider:
    """Vouches for `person`; `claims`, `issuer` and `key` make it lie when a test says so."""

    def __init__(self, port):
        self.address = f"http://127.0.0.1:{port}"
        self.issuer = self.address
        self.key = self.shown = RSAKey.generate_key(2048, {"kid": "one"})
        self.algorithm = "RS256"
        self.person = {"sub": "7", "email": "vera@example.org", "email_verified": True}
        self.claims = {}
        self.codes = {}
        self.asked = []
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.discover),
                Route("/authorize", self.authorize),
                Route("/token", self.token, methods=["POST"]),
                Route("/keys", self.keys),
            ]
        )

    async def discover(self, request):
        names = {"authorization": "authorize", "token": "token"}
        ends = {f"{name}_endpoint": f"{self.address}/{path}" for name, path in names.items()}
        return JSONResponse({"issuer": self.issuer, "jwks_uri": f"{self.address}/keys", **ends})

    async def authorize(self, request):
        asked = dict(request.query_params)
        self.asked.append(asked)
        code = f"code-{len(self.asked)}"
        self.codes[code] = asked
        back = {"code": code, "state": asked["state"]}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(back)}")

    async def token(self, request):
        sent = parse_qs((await request.body()).decode())
        form = {name: values[0] for name, values in sent.items()}
        asked = self.codes.pop(form["code"], None)
        basic = b64decode(request.headers["authorization"].partition(" ")[2]).decode()
        fits = (
            asked is not None
            and basic == f"{CLIENT}:{SECRET}"
            and asked["code_challenge_method"] == "S256"
            and create_s256_code_challenge(form["code_verifier"]) == asked["code_challenge"]
            and form["redirect_uri"] == asked["redirect_uri"]
        )
        if not fits:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        times = {"iat": now, "exp": now + 300}
        about = {"iss": self.address, "aud": CLIENT, "nonce": asked["nonce"]}
        claims = {**times, **about, **self.person, **self.claims}
        header = {"alg": self.algorithm, "kid": "one"}
        if self.algorithm == "RS256":
            token = jwt.encode(header, claims, self.key)
        else:  # the public key as if it were a shared secret, or nothing at all
            parts = [urlsafe_b64encode(json.dumps(part).encode()) for part in (header, claims)]
            body = b".".join(part.rstrip(b"=") for part in parts)
            signed = hmac.digest(self.shown.as_pem(private=False), body, "sha256")
            end = urlsafe_b64encode(signed).rstrip(b"=") if self.algorithm == "HS256" else b""
            token = (body + b"." + end).decode()
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": token})

    async def keys(self, request):
        return JSONResponse({"keys": [self.shown.as_dict(private=False)]})


@contextmanager
def vouching():
    """A provider that is up."""
    port = free_port()
    provider = Provider(port)
    config = uvicorn.Config(
        provider.app, port=port, log_config=None, ws="none", lifespan="off", loop="asyncio"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield provider
    finally:
        server.should_exit = True
        thread.join()
