"""Every model passes the one list of checks, and none is skipped."""

import inspect

import pytest

from tests.models import contract
from tests.models.contract import check_model
from tests.models.examples import MODELS

ran: dict[str, list[str]] = {}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_passes_the_list_of_checks(name):
    ran[name] = check_model(MODELS[name])


def test_no_check_and_no_model_was_skipped():
    listed = [check.__name__ for check in contract.CHECKS]
    written = [
        name
        for name, value in vars(contract).items()
        if inspect.isfunction(value)
        and value.__module__ == contract.__name__
        and list(inspect.signature(value).parameters) == ["example"]
        and name != "check_model"
    ]
    assert sorted(listed) == sorted(written)
    if len(ran) > 1:  # not when one test is picked by name
        assert set(ran) == set(MODELS)
    assert all(done == listed for done in ran.values())
