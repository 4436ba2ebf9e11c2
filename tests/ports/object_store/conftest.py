"""The object stores that the one suite runs on."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin
from uuid import uuid4

import pytest
import uvicorn
from fastapi import FastAPI
from moto.server import ThreadedMotoServer
from tests.support.seaweedfs import client_of, seaweedfs

from comfyfleet.cloud.aws.parts import S3PartStore
from comfyfleet.cloud.aws.s3 import S3ObjectStore, make_s3_client
from comfyfleet.cloud.local.objects import DiskObjectStore
from comfyfleet.cloud.local.parts import DiskPartStore
from comfyfleet.cloud.ports import ObjectStore, SignedRequest
from comfyfleet.server.errors import install_error_handlers
from comfyfleet.server.objects.routes import make_router


@dataclass(frozen=True)
class Target:
    """A store, where its signed paths are served, and whether it checks signatures (moto does not)."""

    name: str
    store: ObjectStore
    base_url: str
    parts: DiskPartStore | S3PartStore
    checks_signatures: bool = True

    def url(self, signed: SignedRequest) -> str:
        """Return a signed request's absolute URL."""
        return urljoin(self.base_url, signed.url)


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    """Run moto's server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def seaweedfs_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run SeaweedFS."""
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as endpoint:
        yield endpoint


@pytest.fixture(params=["disk", "moto", "seaweedfs"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """Return each store in turn, in a bucket of its own."""
    if request.param == "disk":
        store = DiskObjectStore(tmp_path, "bucket", b"signing key")
        with served(store) as base_url:
            yield Target("disk", store, base_url, DiskPartStore(store))
        return
    endpoint = request.getfixturevalue(f"{request.param}_endpoint")
    is_moto = request.param == "moto"
    keys = {"endpoint_url": endpoint, "access_key_id": "any", "secret_access_key": "any"}
    client = make_s3_client(**keys) if is_moto else client_of(endpoint)
    bucket = f"b-{uuid4().hex}"
    client.create_bucket(Bucket=bucket)
    s3 = S3ObjectStore(bucket, client)
    yield Target(request.param, s3, endpoint, S3PartStore(s3), checks_signatures=not is_moto)
    client.close()


@contextlib.contextmanager
def served(store: DiskObjectStore) -> Iterator[str]:
    """Run a server with the store's routes; yield its URL."""
    app = FastAPI()
    install_error_handlers(app)
    app.include_router(make_router({store.bucket: store}))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
