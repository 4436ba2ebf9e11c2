"""A library that takes uploads in parts over real HTTP, and fails as a test wants it to."""

import contextlib
import hashlib
import itertools
import json
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from comfyfleet.core.assets import HEAD_BYTES, AssetKind
from comfyfleet.protocol.library import AssetUploadView, AssetView, NewAssetUpload, UploadState

NOW = datetime(2026, 2, 20, 12, 34, 56, tzinfo=UTC)
_BLOCK = 64 * 1024


@dataclass
class Fault:
    """What happens to the next PUT of a part: a status, or the connection is cut after some bytes of the body."""

    status: int | None = None
    cut_after: int | None = None


@dataclass
class Upload:
    """An upload as the library keeps it."""

    upload_id: str
    new: NewAssetUpload
    state: UploadState = UploadState.RECEIVING
    parts: dict[int, bytes] = field(default_factory=dict)
    sha256: str | None = None
    problem: str | None = None
    looks: int = 0
    asset: AssetView | None = None
    was_known: bool = False


class FakeLibrary:
    """Keeps what arrives in memory, unless `keeps_bytes` is False."""

    def __init__(self, *, part_size: int = 64 * 1024, keeps_bytes: bool = True) -> None:
        self.part_size = part_size
        self.keeps_bytes = keeps_bytes
        self.url = ""
        self.uploads: dict[str, Upload] = {}
        self.assets: dict[str, tuple[AssetView, str]] = {}
        self.faults: dict[int, deque[Fault]] = {}
        self.faults_of_looks: deque[int] = deque()
        self.calls: list[tuple[str, str]] = []
        self.puts: list[tuple[int, int]] = []
        self.body_bytes = 0
        self.connections = 0
        self.busiest = 0
        self.problem: str | None = None
        self.looks_to_verify = 2
        self.was_looked_at = threading.Event()
        self.on_put: Callable[[int], None] = lambda _number: None
        self.signatures = itertools.count()
        self._busy = 0
        self._lock = threading.Lock()

    def know(self, content: bytes, filename: str = "known.safetensors", **changes: Any) -> AssetView:
        """Let the library have an asset of these bytes."""
        return self._store(NewAssetUpload(**_facts(content, filename)), hashlib.sha256(content).hexdigest(), **changes)

    def fail(self, number: int, *faults: Fault) -> None:
        """Let the next PUTs of a part fail."""
        self.faults.setdefault(number, deque()).extend(faults)

    def of(self, method: str, ending: str) -> int:
        """Return how many calls of this method had a path with this ending."""
        return sum(1 for one, path in self.calls if one == method and path.endswith(ending))

    def begin(self, new: NewAssetUpload) -> Upload:
        """Begin an upload, go on with one, or store it at once when the bytes are known."""
        if new.sha256 in self.assets:
            asset, _ = self.assets[new.sha256]
            done = Upload("known", new, UploadState.STORED, sha256=new.sha256, asset=asset, was_known=True)
            self.uploads["known"] = done
            return done
        for upload in self.uploads.values():
            same = (upload.new.filename, upload.new.size, upload.new.head_sha256)
            if upload.state is UploadState.RECEIVING and same == (new.filename, new.size, new.head_sha256):
                return upload
        upload = Upload(f"upload-{len(self.uploads)}", new)
        self.uploads[upload.upload_id] = upload
        return upload

    def view(self, upload: Upload) -> AssetUploadView:
        """Return an upload as the wire shows it."""
        new = upload.new
        heads = {(asset.size, head) for asset, head in self.assets.values()}
        return AssetUploadView(
            upload_id=upload.upload_id,
            state=upload.state,
            filename=new.filename,
            size=new.size,
            part_size=self.part_size,
            part_count=-(-new.size // self.part_size),
            received=sorted(upload.parts),
            received_bytes=sum(map(len, upload.parts.values())),
            verified_bytes=0,
            may_be_known=new.sha256 is None and (new.size, new.head_sha256) in heads,
            was_known=upload.was_known,
            asset=upload.asset,
            problem=upload.problem,
        )

    def look(self, upload: Upload) -> None:
        """Verify at one of the looks, the second unless a test wants it later."""
        upload.looks += 1
        self.was_looked_at.set()
        if upload.state is not UploadState.VERIFYING or upload.looks < self.looks_to_verify:
            return
        content = b"".join(upload.parts[number] for number in sorted(upload.parts))
        if self.problem or (self.keeps_bytes and hashlib.sha256(content).hexdigest() != upload.sha256):
            upload.state, upload.problem = UploadState.REFUSED, self.problem or "These are other bytes."
            return
        assert upload.sha256 is not None
        upload.asset = self._store(upload.new, upload.sha256)
        upload.state = UploadState.STORED

    def _store(self, new: NewAssetUpload, sha256: str, **changes: Any) -> AssetView:
        kind = new.kind or AssetKind.OTHER
        asset = AssetView(
            id=len(self.assets) + 1,
            kind=kind,
            sha256=sha256,
            size=new.size,
            object_key=f"assets/{kind}/{sha256}",
            filenames=[new.filename],
            notes=new.notes,
            license=new.license,
            source_url=new.source_url,
            inspection={},
            is_quarantined=False,
            created_by="a test",
            created_at=NOW,
        ).model_copy(update=changes)
        self.assets[sha256] = (asset, new.head_sha256)
        return asset

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count how many PUTs are on their way at once."""
        with self._lock:
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1


@contextlib.contextmanager
def running_library(**settings: Any) -> Iterator[FakeLibrary]:
    """Run a fake library on a free port of this machine."""
    library = FakeLibrary(**settings)

    class Handler(_Handler):
        pass

    Handler.library = library
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    library.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield library
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    library: FakeLibrary

    def setup(self) -> None:
        super().setup()
        self.library.connections += 1

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_PUT(self) -> None:
        parts = urlsplit(self.path)
        _, _, upload_id, text = parts.path.split("/")
        number, library = int(text), self.library
        faults = library.faults.get(number)
        fault = faults.popleft() if faults else Fault()
        with library.counted():
            body = self._read(fault.cut_after)
            if body is None:
                return
            library.on_put(number)
            upload = library.uploads[upload_id]
            is_due = len(body) == min(library.part_size, upload.new.size - (number - 1) * library.part_size)
            status = fault.status or (200 if is_due and parse_qs(parts.query).get("signature") else 400)
            library.puts.append((number, status))
            if status == 200:
                upload.parts[number] = body if library.keeps_bytes else b""
            self._answer(status, b"")

    def _read(self, cut_after: int | None) -> bytes | None:
        left, pieces = int(self.headers["Content-Length"]), []
        while left:
            piece = self.rfile.read(min(left, _BLOCK))
            if not piece:
                return None
            left -= len(piece)
            self.library.body_bytes += len(piece)
            pieces.append(piece)
            if cut_after is not None and int(self.headers["Content-Length"]) - left >= cut_after:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return None
        return b"".join(pieces)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "null")
        path, library = self._called("POST"), self.library
        if path == "/api/assets/uploads":
            self._data(library.view(library.begin(NewAssetUpload(**body))).model_dump(mode="json"))
            return
        upload_id, _, verb = path.removeprefix("/api/assets/uploads/").partition("/")
        upload = library.uploads[upload_id]
        if verb == "parts":
            self._data([self._signed(upload, number) for number in body["numbers"]])
        elif verb == "complete" and len(upload.parts) == library.view(upload).part_count:
            upload.state, upload.sha256 = UploadState.VERIFYING, body["sha256"]
            self._data(library.view(upload).model_dump(mode="json"))
        else:
            self._refuse(409, "parts_missing")

    def do_GET(self) -> None:
        path = self._called("GET")
        if self.library.faults_of_looks:
            self._answer(self.library.faults_of_looks.popleft(), b"away")
            return
        upload = self.library.uploads[path.rpartition("/")[2]]
        self.library.look(upload)
        self._data(self.library.view(upload).model_dump(mode="json"))

    def do_DELETE(self) -> None:
        path = self._called("DELETE")
        self.library.uploads[path.rpartition("/")[2]].state = UploadState.REFUSED
        self._data(None)

    def _signed(self, upload: Upload, number: int) -> dict[str, Any]:
        size = min(self.library.part_size, upload.new.size - (number - 1) * self.library.part_size)
        signature = next(self.library.signatures)
        url = f"{self.library.url}/store/{upload.upload_id}/{number}?signature={signature}"
        return {"number": number, "size": size, "url": url, "headers": {"Content-Type": "application/octet-stream"}}

    def _called(self, method: str) -> str:
        path = urlsplit(self.path).path
        self.library.calls.append((method, path))
        return path

    def _data(self, data: object) -> None:
        self._answer(200, json.dumps({"data": data, "message": "ok"}).encode())

    def _refuse(self, status: int, code: str) -> None:
        error = {"kind": "conflict", "code": code, "hint": ""}
        self._answer(status, json.dumps({"data": None, "message": code, "error": error}).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_parts: object) -> None:
        """Keep the tests' output clean."""


def _facts(content: bytes, filename: str) -> dict[str, Any]:
    head = hashlib.sha256(content[:HEAD_BYTES]).hexdigest()
    return {"filename": filename, "size": len(content), "head_sha256": head}
