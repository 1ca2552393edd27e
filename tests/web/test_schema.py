"""Whatever is sent to the API, it answers as its own document says, and never with a 5xx."""

from collections import Counter

import pytest

from tests.web.hammering import hammer, hammered

EXAMPLES = 3  # of each operation; the benchmark `api_schema` tries many more


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with hammered(tmp_path_factory.mktemp("centre")) as api:
        yield api


@pytest.mark.parametrize("fits", [True, False], ids=["what fits", "what does not"])
def test_every_answer_is_as_the_document_says(api, fits):
    operations, headers = api
    assert len(operations) > 35
    statuses = Counter()
    for operation in operations:
        statuses += hammer(operation, headers, fits=fits, examples=EXAMPLES)
    assert 401 not in statuses
    assert statuses[200] > 0
