import pytest

from tests.web.desk import Desk


@pytest.fixture
def desk(tmp_path):
    """An app with people of each role and browsers for them; no hub and no history."""
    desk = Desk(tmp_path)
    yield desk
    desk.close()
