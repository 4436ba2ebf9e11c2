"""Tokens by origin: each is sent to the one origin that it is for, and to no other."""

from collections.abc import Mapping
from typing import Final

import httpx
from pydantic import SecretStr

from comfyfleet.server.assets.remote.errors import RemoteRefused

HUGGINGFACE: Final = "https://huggingface.co"
CIVITAI: Final = "https://civitai.com"
_SETTING_OF: Final = {HUGGINGFACE: "IMPORT_HUGGINGFACE_TOKEN", CIVITAI: "IMPORT_CIVITAI_TOKEN"}

Tokens = Mapping[str, SecretStr]


def tokens_for(*, huggingface: SecretStr | None = None, civitai: SecretStr | None = None) -> Tokens:
    """Return the tokens that settings name; an empty one is none."""
    named = {HUGGINGFACE: huggingface, CIVITAI: civitai}
    return {origin: token for origin, token in named.items() if token is not None and token.get_secret_value().strip()}


def origin_of(url: httpx.URL) -> str:
    """Return scheme, host and port (unless it is the scheme's own) of a URL."""
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def authorization(tokens: Tokens, url: httpx.URL) -> dict[str, str]:
    """Return the header for a URL: empty for origins that we have no token for.

    Raises:
        RemoteRefused: The token cannot be sent. (Found here, for a later error would show it.)
    """
    token = tokens.get(origin_of(url))
    if token is None:
        return {}
    text = token.get_secret_value().strip()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise RemoteRefused(
            f"The token for {origin_of(url)} holds characters that no token has.", hint=f"Set {_setting(url)} again."
        )
    return {"Authorization": f"Bearer {text}"}


def hint_about_token(tokens: Tokens, url: httpx.URL) -> str:
    """Return what to do when a URL asks for a sign-in."""
    origin = origin_of(url)
    if origin in tokens:
        return f"Accept the terms on the model's page, and see that the token in {_setting(url)} may read it."
    if origin in _SETTING_OF:
        return f"Accept the terms on the model's page, and set {_setting(url)} to a token that may read it."
    return "Give a URL that opens without a sign-in, or download the file and use `comfyfleet assets add`."


def _setting(url: httpx.URL) -> str:
    return _SETTING_OF.get(origin_of(url), "the settings")
