import pytest

from comfyfleet.core.redaction import redacted

TOKEN = "cfw_Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYg"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET https://s3/a/b.mp4?X-Amz-Signature=abc&x=1 failed", "GET https://s3/a/b.mp4 failed"),
        ("'http://h/objects/media/k?expires=1&signature=s', again", "'http://h/objects/media/k', again"),
        ("GET /objects/media/k.mp4?signature=s#part", "GET /objects/media/k.mp4"),
        ("postgresql://user:secret@host/name is away", "postgresql://host/name is away"),
        ("wss://h/ws?clientId=1", "wss://h/ws"),
        (f"token {TOKEN}, no more", "token …, no more"),
        (f"Authorization: Bearer {TOKEN}", "Authorization: Bearer …"),
        ("Authorization: Bearer eyJhbGciOi.J9.abcdefg", "Authorization: Bearer …"),
        ("Basic dXNlcjpwYXNzd29yZDEyMw==", "Basic …"),
    ],
)
def test_what_opens_something_is_taken_out(text: str, shown: str) -> None:
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "job 17: completed",
        "Really? x=1 was asked for",
        "What?",
        "node 4 (CheckpointLoaderSimple), input ckpt_name: 'cfw_sd.safetensors' is not there",
        "Basic shapes, Bearer of news",
        "mail a@b.c",
        "http://127.0.0.1:8188 does not answer",
    ],
)
def test_what_opens_nothing_stays(text: str) -> None:
    assert redacted(text) == text


def test_a_secret_that_is_known_is_taken_out_wherever_it_is() -> None:
    assert redacted("key=s3cr3t-of-ours!", ["s3cr3t-of-ours"]) == "key=…!"
