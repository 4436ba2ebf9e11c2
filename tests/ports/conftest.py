"""What all suites of ports share."""

from collections.abc import Iterator

import pytest
from tests.ports.actions import must_be_called_by
from tests.support.called import calls_of_boto3


@pytest.fixture(autouse=True)
def _calls(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let a test fail that is listed for an action of AWS and does not call it: see `actions`."""
    wanted = must_be_called_by(request.node.nodeid)
    if not wanted:
        yield
        return
    with calls_of_boto3() as called:
        yield
    assert not wanted - called, "the list in tests/ports/actions.py says that this test calls these"
