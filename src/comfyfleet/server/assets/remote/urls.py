"""Which URLs are read, and which file a page of Hugging Face or Civitai stands for."""

import re
from typing import Final
from urllib.parse import parse_qs

import httpx

from comfyfleet.server.assets.remote.errors import RemoteUrlRefused

_MAX_CHARACTERS: Final = 4000  # signed URLs of CDNs that a redirect leads to are long
_HUGGINGFACE: Final = frozenset({"huggingface.co", "www.huggingface.co", "hf.co"})
_CIVITAI: Final = frozenset({"civitai.com", "www.civitai.com"})
_HOST: Final = re.compile(r"[a-z0-9_.-]+|[0-9a-f:]+(?:[0-9.]+)?")
_FILE: Final = re.compile(
    r"(?P<repository>/(?:(?:datasets|spaces)/)?[^/]+(?:/[^/]+)?)/(?:blob|resolve|raw)(?P<file>/[^/]+/.+)"
)
_DOWNLOAD: Final = re.compile(r"/api/download/models/\d+")
_SECRETS: Final = frozenset({"token", "access_token", "api_key", "apikey"})


def file_url(text: str) -> httpx.URL:
    """Return the URL of the file that a person means.

    Raises:
        RemoteUrlRefused: It is none that is read, or it names no file; the hint says which URL to give.
    """
    url = check_url(text.strip())
    if url.host in _HUGGINGFACE | _CIVITAI:
        _refuse_secret(url)
    if url.host in _HUGGINGFACE:
        return _huggingface(url)
    if url.host in _CIVITAI:
        return _civitai(url)
    return url


def check_url(text: str) -> httpx.URL:
    """Return a URL of http or https without credentials and fragment; raise `RemoteUrlRefused` for another."""
    hint = "Give a URL such as https://huggingface.co/owner/name/resolve/main/file.safetensors."
    if len(text) > _MAX_CHARACTERS or not text.isprintable() or " " in text or "\\" in text:
        raise RemoteUrlRefused("The URL is too long, or holds characters that no URL has.", hint=hint)
    try:
        url = httpx.URL(text)
        is_place = (url.port is None or 0 < url.port < 2**16) and _HOST.fullmatch(url.raw_host.decode("ascii"))
    except (httpx.InvalidURL, ValueError) as error:
        raise RemoteUrlRefused("This is no URL.", hint=hint) from error
    if url.scheme not in {"http", "https"} or not is_place:
        raise RemoteUrlRefused("Only https URLs with a host are read.", hint=hint)
    if url.userinfo:
        raise RemoteUrlRefused(
            "The URL holds a user name or a password.", hint="Leave them out; tokens are set in the settings."
        )
    return url.copy_with(fragment=None)


def shown(url: httpx.URL) -> str:
    """Return a URL for messages: without its query, which may hold a signature."""
    return str(url.copy_with(query=None))[:300]


def _refuse_secret(url: httpx.URL) -> None:
    if _SECRETS & {name.lower() for name in url.params}:
        raise RemoteUrlRefused(
            "The URL holds a token, and would show it to everyone who sees the asset.",
            hint="Leave it out; tokens are set with IMPORT_HUGGINGFACE_TOKEN and IMPORT_CIVITAI_TOKEN.",
        )


def _huggingface(url: httpx.URL) -> httpx.URL:
    path, question_mark, query = url.raw_path.decode("ascii").partition("?")
    found = _FILE.fullmatch(path)
    if found is None:
        raise RemoteUrlRefused(
            f"{shown(url)} is a page and no file.",
            hint="Copy the link of the file's download button: https://huggingface.co/OWNER/NAME/resolve/main/FILE.",
        )
    raw_path = f"{found['repository']}/resolve{found['file']}{question_mark}{query}"
    return url.copy_with(host="huggingface.co", raw_path=raw_path.encode("ascii"))


def _civitai(url: httpx.URL) -> httpx.URL:
    url = url.copy_with(host="civitai.com")
    if _DOWNLOAD.fullmatch(url.path):
        return url
    versions = parse_qs(url.query.decode("ascii")).get("modelVersionId", [])
    if url.path.startswith("/models/") and len(versions) == 1 and versions[0].isdecimal():
        return url.copy_with(path=f"/api/download/models/{versions[0]}", query=None)
    raise RemoteUrlRefused(
        f"{shown(url)} does not say which version of the model is meant.",
        hint="Copy the link of the version's download button: https://civitai.com/api/download/models/VERSION.",
    )
