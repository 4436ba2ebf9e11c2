"""The small programs, as processes."""

import hashlib
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from benchmarks.apply import programs
from benchmarks.s3.signatures import Signatures
from benchmarks.s3_server import S3Server
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

FOLDER = Path(programs.__path__[0])


def run(program: str, *words: object) -> int:
    """Return the exit status of a program."""
    command = [sys.executable, "-S", "-E", str(FOLDER / f"{program}.py"), *map(str, words)]
    return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode


@pytest.fixture
def hashed(tmp_path: Path) -> Path:
    """A folder of files named after their bytes, one of them over the size of a buffer."""
    folder = tmp_path / "copied" / "lora"
    folder.mkdir(parents=True)
    for content in (b"", b"one", b"two" * 1000, b"x" * 5_000_000):
        (folder / hashlib.sha256(content).hexdigest()).write_bytes(content)
    return folder


def test_right_files_pass(hashed: Path) -> None:
    assert run("hash_pass", hashed.parent) == 0


def test_one_wrong_byte_is_found(hashed: Path) -> None:
    largest = max(hashed.iterdir(), key=lambda path: path.stat().st_size)
    largest.write_bytes(b"y" + largest.read_bytes()[1:])
    assert run("hash_pass", hashed.parent) == 1


def test_no_files_are_not_right(tmp_path: Path) -> None:
    assert run("hash_pass", tmp_path) == 1


def test_files_of_all_sizes_are_written(tmp_path: Path) -> None:
    sizes = [0, 1, 4096, 1_000_000, 2**20, 2**20 + 1, 4 * 2**20, 9_000_001]
    (tmp_path / "sizes").write_text(json.dumps(sizes))
    assert run("direct_write", tmp_path / "out", tmp_path / "sizes") == 0
    assert sorted(path.stat().st_size for path in (tmp_path / "out").iterdir()) == sizes


@pytest.mark.parametrize(("secret", "status"), [("secret", 0), ("wrong", 1)])
def test_all_bytes_are_read_and_a_refusal_is_no_success(tmp_path: Path, secret: str, status: int) -> None:
    (tmp_path / "b").mkdir()
    sizes = {"one": 1, "big": 9 * 2**20}
    for name, size in sizes.items():
        (tmp_path / "b" / name).write_bytes(bytes(size))
    server = S3Server(tmp_path, Signatures("key", "secret"))
    threading.Thread(target=server.serve).start()
    objects = [{"url": signed(f"{server.url}/b/{name}", secret), "size": size} for name, size in sizes.items()]
    (tmp_path / "objects").write_text(json.dumps(objects))
    try:
        assert run("read_only", tmp_path / "objects") == status
    finally:
        server.close()


def signed(url: str, secret: str) -> str:
    """Return a URL that is signed for a minute."""
    request = AWSRequest("GET", url)
    S3SigV4QueryAuth(Credentials("key", secret), "s3", "us-east-1", expires=60).add_auth(request)
    return str(request.url)
