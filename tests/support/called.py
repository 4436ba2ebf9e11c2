"""Which actions of AWS are called, as botocore's clients know them."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.client import BaseClient


@contextlib.contextmanager
def calls_of_boto3() -> Iterator[set[str]]:
    """Collect the actions that any client of this process calls, such as `ec2:RunInstances`, once they succeed."""
    called: set[str] = set()
    lock = threading.Lock()
    call = BaseClient._make_api_call

    def noting(client: Any, operation: str, parameters: Any) -> Any:
        answer = call(client, operation, parameters)
        with lock:
            called.add(f"{client.meta.service_model.service_name}:{operation}")
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", noting)
        yield called
