"""What the tests of live twins share."""

import pytest

from tests.live.servers import mosquitto


@pytest.fixture(scope="session")
def broker_port(tmp_path_factory):
    """The port of a broker on this machine, for all tests."""
    with mosquitto(tmp_path_factory.mktemp("broker")) as port:
        yield port
