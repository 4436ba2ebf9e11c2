"""Which URLs are read, and what pages stand for."""

import pytest

from comfyfleet.server.assets.remote.errors import RemoteUrlRefused
from comfyfleet.server.assets.remote.urls import check_url, file_url, shown

HUB = "https://huggingface.co"


@pytest.mark.parametrize(
    ("given", "file"),
    [
        (f"{HUB}/a/b/blob/main/x.safetensors", f"{HUB}/a/b/resolve/main/x.safetensors"),
        (f"{HUB}/a/b/resolve/main/x.safetensors?download=true", f"{HUB}/a/b/resolve/main/x.safetensors?download=true"),
        (f"{HUB}/a/b/raw/main/x.safetensors", f"{HUB}/a/b/resolve/main/x.safetensors"),
        (f"{HUB}/a/blob/blob/v1.0/in/x%20y.pt#a", f"{HUB}/a/blob/resolve/v1.0/in/x%20y.pt"),
        (f"{HUB}/gpt2/blob/main/x.bin", f"{HUB}/gpt2/resolve/main/x.bin"),
        (f"{HUB}/datasets/a/b/blob/main/x.zip", f"{HUB}/datasets/a/b/resolve/main/x.zip"),
        ("https://hf.co/a/b/blob/main/x.pt", f"{HUB}/a/b/resolve/main/x.pt"),
        (" https://HuggingFace.co/a/b/blob/main/x.pt\n", f"{HUB}/a/b/resolve/main/x.pt"),
        ("https://civitai.com/api/download/models/12", "https://civitai.com/api/download/models/12"),
        ("https://civitai.com/models/1/n?modelVersionId=12", "https://civitai.com/api/download/models/12"),
        ("https://example.com/blob/x?token=1", "https://example.com/blob/x?token=1"),
    ],
)
def test_the_url_of_the_file_is_found(given: str, file: str) -> None:
    assert str(file_url(given)) == file


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (f"{HUB}/a/b", "resolve/main/FILE"),
        (f"{HUB}/a/b/tree/main", "resolve/main/FILE"),
        ("https://civitai.com/models/1/n", "api/download/models/VERSION"),
        ("https://civitai.com/models/1?modelVersionId=1&modelVersionId=2", "api/download/models/VERSION"),
        ("https://civitai.com/api/download/models/12?token=secret", "IMPORT_CIVITAI_TOKEN"),
        (f"{HUB}/a/b/resolve/main/x.pt?Token=secret", "IMPORT_HUGGINGFACE_TOKEN"),
    ],
)
def test_a_page_is_refused_with_the_url_to_give(given: str, hint: str) -> None:
    with pytest.raises(RemoteUrlRefused) as refusal:
        file_url(given)
    assert hint in refusal.value.hint
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "ftp://example.com/x", "file:///etc/passwd", "gopher://127.0.0.1/x", "https://", "https:///x",
        "https://me:secret@example.com/x", "https://me@example.com/x", "https://exa mple.com", "https://a\\b/x",
        "https://example.com:99999/x", "https://example.com:x/", "https://[::1/x", "https://a\r\nb/", "https://a\x00/",
        "https://example.com/" + "x" * 4000, "http://\u2100.example/",
    ],
)  # fmt: skip
def test_what_is_no_url_of_ours_is_refused(url: str) -> None:
    with pytest.raises(RemoteUrlRefused) as refusal:
        file_url(url)
    assert "secret" not in str(refusal.value)


def test_messages_show_no_query() -> None:
    assert shown(check_url("https://example.com/a?signature=secret")) == "https://example.com/a"
