"""Our static files: compressed once, and kept by browsers for good under an address that names their content."""

import gzip
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from fastapi import Response
from fastapi.staticfiles import StaticFiles
from starlette.responses import FileResponse
from starlette.types import Scope

_FOLDER: Final = Path(__file__).parent / "static"
_COMPRESSIBLE: Final = {".css", ".js", ".svg"}
_FOR_GOOD: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"

DIGESTS_WASM: Final = "digest_worker.js"
"""The one script that may compile WebAssembly: it digests files, in a worker of its own."""


class OurFiles(StaticFiles):
    """Serves the folder `static`."""

    def __init__(self) -> None:
        super().__init__(directory=_FOLDER)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file, compressed for whoever takes that."""
        response = await super().get_response(path, scope)
        is_versioned = scope["query_string"].startswith(b"v=")
        response.headers["Cache-Control"] = _FOR_GOOD if is_versioned else _ASK_AGAIN
        if path == DIGESTS_WASM:
            response.headers["Content-Security-Policy"] = (
                "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'"
            )
        if not isinstance(response, FileResponse) or not _takes_gzip(scope):
            return response
        file = Path(response.path)
        if file.suffix not in _COMPRESSIBLE:
            return response
        content = _compressed(file, response.stat_result.st_mtime_ns if response.stat_result else 0)
        headers = {name: value for name, value in response.headers.items() if name != "content-length"}
        headers |= {"content-encoding": "gzip", "vary": "Accept-Encoding"}
        return Response(content if scope["method"] == "GET" else b"", headers=headers)


def static(name: str) -> str:
    """Return the address of a static file; it changes with the content."""
    return f"/static/{name}?v={_digest(_FOLDER / name, (_FOLDER / name).stat().st_mtime_ns)}"


def _takes_gzip(scope: Scope) -> bool:
    accepted = dict(scope["headers"]).get(b"accept-encoding", b"")
    return b"gzip" in accepted


@lru_cache(maxsize=256)
def _compressed(file: Path, _changed_ns: int) -> bytes:
    return gzip.compress(file.read_bytes(), 9, mtime=0)


@lru_cache(maxsize=256)
def _digest(file: Path, _changed_ns: int) -> str:
    return sha256(file.read_bytes()).hexdigest()[:12]
