"""`/upload/image` and `/view`: files in, files out. Any file, whatever the name says."""

import asyncio
import filecmp
import mimetypes
import shutil
import tempfile
import threading
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import quote

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from comfyfleet.standin.answers import Json
from comfyfleet.standin.folders import KINDS, BadName, Folders, OutsideFolder, split_mark
from comfyfleet.standin.services import services_of

_NEVER_SHOWN: Final = frozenset({"text/html", "application/xhtml+xml", "text/javascript", "text/css", "image/svg+xml"})
"""Types that a browser would run with this server's rights."""

_CHOOSING: Final = threading.Lock()
"""Held from the choice of a name until the name is taken: two uploads at once must not choose the same."""


async def upload(request: Request) -> Response:
    """Take a file into `input` (or the folder that `type` names) and answer the name that it got."""
    folders = services_of(request).folders
    async with request.form() as form:
        image, kind = form.get("image"), _text(form, "type") or "input"
        if not isinstance(image, UploadFile) or not image.filename or kind not in KINDS:
            return Response(status_code=400)
        subfolder = _text(form, "subfolder")
        try:
            target = folders.inside(kind, (Path(subfolder) / image.filename).as_posix())
        except OutsideFolder:
            return Response(status_code=400)
        if target == folders.of(kind):
            return Response(status_code=400)
        overwrite = _text(form, "overwrite") in {"true", "1"}
        saved = await asyncio.to_thread(store, image.file, target, overwrite=overwrite)
    named = image.filename if saved == target else Path(image.filename).with_name(saved.name).as_posix()
    return Json({"name": named, "subfolder": subfolder, "type": kind})


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def store(source: BinaryIO, target: Path, *, overwrite: bool) -> Path:
    """Save a file and return where. A different file of the same name is left alone unless `overwrite` is set.

    The file appears whole or not at all: it is written beside its place and moved.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".upload-") as folder:
        written = Path(folder) / "part"
        with written.open("wb") as part:
            shutil.copyfileobj(source, part, 1024 * 1024)
        with _CHOOSING:
            place = target if overwrite else _free(target, written)
            written.replace(place)
    return place


def _free(target: Path, content: Path) -> Path:
    """Return the first of `name`, `name (1)`, `name (2)` that is free or has this content already."""
    place, count = target, 0
    while place.exists() and not filecmp.cmp(place, content, shallow=False):
        count += 1
        place = target.with_name(f"{target.stem} ({count}){target.suffix}")
    return place


async def view(request: Request) -> Response:
    """Give out a file of `output`, or of the folder that `type` names; parts of it by Range."""
    query = request.query_params
    bare, marked = split_mark(query.get("filename", ""))
    kind = marked or query.get("type", "output")
    if not bare or bare.startswith("/") or ".." in bare or kind not in KINDS:
        return Response(status_code=400 if "filename" in query else 404)
    try:
        path = _viewed(services_of(request).folders, kind, query.get("subfolder", ""), Path(bare).name)
    except BadName:
        return Response(status_code=404)
    except OutsideFolder:
        return Response(status_code=403)
    if not path.is_file():
        return Response(status_code=404)
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if media_type in _NEVER_SHOWN:
        media_type = "application/octet-stream"
    return FileResponse(path, media_type=media_type, headers={"Content-Disposition": _disposition(path.name)})


def _viewed(folders: Folders, kind: str, subfolder: str, name: str) -> Path:
    return folders.inside(kind, f"{subfolder}/{name}" if subfolder else name)


def _disposition(name: str) -> str:
    if name.isascii() and '"' not in name:
        return f'filename="{name}"'
    return f"filename*=UTF-8''{quote(name)}"


ROUTES: Final = [Route("/upload/image", upload, methods=["POST"]), Route("/view", view, methods=["GET"])]
