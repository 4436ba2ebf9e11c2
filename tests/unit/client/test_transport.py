import httpx
import pytest

from comfyfleet.client.errors import Refused, Unreachable
from comfyfleet.client.transport import data_of


def response(status: int, body: object) -> httpx.Response:
    return httpx.Response(status, json=body, request=httpx.Request("GET", "http://plane/api/me"))


def test_the_data_of_an_envelope_is_returned() -> None:
    assert data_of(response(201, {"data": {"id": 1}, "message": "ok"})) == {"id": 1}


def test_a_refusal_keeps_the_servers_words() -> None:
    body = {"data": None, "message": "No.", "error": {"kind": "conflict", "code": "lease_lost", "hint": "Stop."}}
    with pytest.raises(Refused) as caught:
        data_of(response(409, body))
    error = caught.value
    assert (error.status, error.code, error.message, error.hint) == (409, "lease_lost", "No.", "Stop.")


@pytest.mark.parametrize(("status", "body"), [(502, "Bad gateway"), (200, ["no envelope"]), (200, "text"), (404, {})])
def test_an_answer_of_something_else_is_no_answer(status: int, body: object) -> None:
    with pytest.raises(Unreachable, match=r"http://plane/api/me answered \d+ without an envelope"):
        data_of(response(status, body))
