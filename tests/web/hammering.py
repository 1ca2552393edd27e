"""The API under a hail of requests that fit its document, or do not."""

import dataclasses
from collections import Counter
from contextlib import contextmanager

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from songsinh.web.security.secrets import fingerprint, sign
from songsinh.web.security.sessions import begin_session
from tests.web.desk import SETTINGS
from tests.web.station import centre

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ENDLESS = "/api/v1/stream/events"
KNOWN = {"name": "b5", "number": 1, "source": "broker", "signal": "voltage"}
HERE = "http://127.0.0.1:8642"


@contextmanager
def hammered(folder):
    """The API's operations, and the headers of an administrator who changes something."""
    often = dataclasses.replace(SETTINGS, calls_per_second=1e6)
    with centre(folder, often) as desk:
        # whoever is changed on the way is not the one who asks
        for k in range(50):
            last = desk.add_person(f"number-{k}@example.org", {"*": "administrator"})
        with desk.engine.begin() as connection:
            secret = begin_session(connection, last, desk.settings)
        mark = sign(desk.settings.secret, "form", fingerprint(secret))
        headers = {"cookie": f"songsinh={secret}", "x-csrf-token": mark}
        schema = schemathesis.openapi.from_dict(desk.app.openapi())
        schema.app = desk.app
        schema.config.update(base_url=HERE)
        schema.config.generation.update(with_security_parameters=False)
        found = [one.ok() for one in schema.get_all_operations()]
        yield [one for one in found if one.path != ENDLESS], headers


def hammer(operation, headers, *, fits, examples):
    """Send so many requests that fit the document, or do not; the statuses that were answered.

    Every answer is held against the document. Half of the things asked for are there.
    """
    mode = GenerationMode.POSITIVE if fits else GenerationMode.NEGATIVE
    statuses = Counter()

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode), is_known=st.booleans())
    def try_one(case, is_known):
        if is_known:
            for name in case.path_parameters or {}:
                case.path_parameters[name] = KNOWN[name]
        answer = case.call(headers=headers)
        statuses[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    try:
        try_one()
    except Unsatisfiable:  # an operation without anything that could be wrong
        assert not fits
    return statuses
