"""A centre for tests of the web: an app on a fresh database, invented people, and a browser."""

import asyncio
from pathlib import Path

import httpx
from sqlalchemy import insert

from songsinh.database import open_database, tables
from songsinh.web import WebSettings, create_app
from songsinh.web.security.sessions import begin_session
from songsinh.web.security.tokens import make_token

HERE = "http://127.0.0.1:8642"
# invented; the password hash is made only by tests that sign in
PEOPLE = {
    "viewer": "vera@example.org",
    "operator": "omar@example.org",
    "engineer": "enya@example.org",
    "administrator": "ada@example.org",
}
SETTINGS = WebSettings(secret=b"only for tests, never in use ---" * 2)


class Browser:
    """A synchronous browser at the app: keeps cookies, knows one person's session or token."""

    def __init__(self, app, loop, **options):
        self.loop = loop
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        self.inside = httpx.AsyncClient(transport=transport, base_url=HERE, **options)

    def request(self, method, path, **options):
        return self.loop.run(self.inside.request(method, path, **options))

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, *, csrf=True, **options):
        return self.unsafe("POST", path, csrf=csrf, **options)

    def unsafe(self, method, path, *, csrf=True, **options):
        """A request that changes something, with the sign that our forms carry."""
        if csrf and "authorization" not in self.inside.headers:
            options["headers"] = {**(options.get("headers") or {}), "X-CSRF-Token": self.csrf()}
        return self.request(method, path, **options)

    def csrf(self):
        """The sign for forms of this visitor."""
        from songsinh.web.security.forgery import FORM_COOKIE
        from songsinh.web.security.secrets import fingerprint, sign

        session = self.inside.cookies.get("songsinh")
        if session:
            return sign(SETTINGS.secret, "form", fingerprint(session))
        chance = self.inside.cookies.get(FORM_COOKIE) or "c" * 43
        self.keep(FORM_COOKIE, chance)
        return sign(SETTINGS.secret, "form before sign in", chance)

    def keep(self, name, value):
        """Keep a cookie as if the centre had set it."""
        self.inside.cookies.set(name, value, domain="127.0.0.1", path="/")

    def close(self):
        self.loop.run(self.inside.aclose())


class Desk:
    """The app, its engine, people by role (number and e-mail), and browsers for them."""

    def __init__(self, folder, *, hub=None, history=None, settings=SETTINGS, people=PEOPLE):
        self.folder = Path(folder)
        self.loop = asyncio.Runner()
        self.settings = settings
        self.engine = open_database(f"sqlite:///{self.folder / 'centre.db'}")
        self.people = {role: self.add_person(mail, {"*": role}) for role, mail in people.items()}
        self.hub, self.history = hub, history
        self.app = create_app(settings, self.engine, hub, history)
        self.browsers = []

    def add_person(self, email, roles, *, password=None):
        """A person with roles by twin; the person's number."""
        row = {"email": email, "name": email.partition("@")[0].title(), "made_us": 0}
        with self.engine.begin() as connection:
            made = connection.execute(insert(tables.people).values(**row, password=password))
            number = made.inserted_primary_key[0]
            for twin, role in roles.items():
                grant = {"person": number, "twin": twin, "role": role}
                connection.execute(insert(tables.grants).values(**grant))
        return number

    def browser(self, who=None, **options):
        """A browser in which a role, or a person's number, is signed in; or nobody."""
        browser = Browser(self.app, self.loop, **options)
        if who is not None:
            with self.engine.begin() as connection:
                secret = begin_session(connection, self.people.get(who, who), self.settings)
            browser.keep("songsinh", secret)
        self.browsers.append(browser)
        return browser

    def program(self, who, *, scope="write", twin="*"):
        """A program with a token of a role, or of a person's number."""
        with self.engine.begin() as connection:
            number = self.people.get(who, who)
            token = make_token(connection, number, "test", scope=scope, twin=twin)
        return self.browser(headers={"authorization": f"Bearer {token}"})

    def close(self):
        for browser in self.browsers:
            browser.close()
        self.engine.dispose()
        self.loop.close()
