"""Tokens and whom they are for."""

import httpx
import pytest
from pydantic import SecretStr

from comfyfleet.server.assets.remote.errors import RemoteRefused
from comfyfleet.server.assets.remote.tokens import authorization, hint_about_token, tokens_for

TOKENS = tokens_for(huggingface=SecretStr(" hf_x\n"), civitai=SecretStr("cv"))


def test_a_token_goes_to_its_origin() -> None:
    url = httpx.URL("https://huggingface.co:443/a/b/resolve/main/x")
    assert authorization(TOKENS, url) == {"Authorization": "Bearer hf_x"}
    assert authorization(TOKENS, httpx.URL("https://civitai.com/x")) == {"Authorization": "Bearer cv"}


@pytest.mark.parametrize(
    "url",
    [
        "http://huggingface.co/x", "https://huggingface.co:8443/x", "https://cdn.huggingface.co/x",
        "https://huggingface.co.example.com/x", "https://huggingface.co./x", "https://hf.co/x",
        "https://example.com/?huggingface.co", "https://huggingface.com/x",
    ],
)  # fmt: skip
def test_a_token_goes_nowhere_else(url: str) -> None:
    assert authorization(TOKENS, httpx.URL(url)) == {}


def test_an_empty_token_is_none() -> None:
    assert tokens_for(huggingface=SecretStr(" "), civitai=None) == {}


@pytest.mark.parametrize("text", ["a\nb", "a b", "tökén", "a\x00"])
def test_a_token_that_cannot_be_sent_is_told_without_showing_it(text: str) -> None:
    with pytest.raises(RemoteRefused) as refusal:
        authorization(tokens_for(civitai=SecretStr(text)), httpx.URL("https://civitai.com/x"))
    assert text not in str(refusal.value)
    assert "IMPORT_CIVITAI_TOKEN" in refusal.value.hint


def test_the_hint_tells_which_token_is_missing() -> None:
    url = httpx.URL("https://huggingface.co/x")
    assert "set IMPORT_HUGGINGFACE_TOKEN" in hint_about_token({}, url)
    assert "may read it" in hint_about_token(TOKENS, url)
    assert "assets add" in hint_about_token(TOKENS, httpx.URL("https://example.com/x"))
