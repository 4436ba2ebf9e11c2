import io
import subprocess
import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.standin import standin

from comfyfleet.cloud.fleet_ports import Image, ImageState
from comfyfleet.ops.bake import render_probe, scripts
from comfyfleet.ops.bake.package import build_package, newest_wheel
from comfyfleet.ops.bake.retention import surplus
from comfyfleet.ops.errors import TargetInvalid

NOW = datetime(2026, 2, 20, tzinfo=UTC)
IMAGES = [Image(f"ami-{n}", f"n{n}", ImageState.AVAILABLE, NOW, {}) for n in range(5)]


def test_the_newest_images_are_kept_and_protected_ones_too() -> None:
    assert surplus(IMAGES, 2, {"ami-3"}) == ("ami-2", "ami-4")
    assert surplus(IMAGES, 9, set()) == ()
    assert surplus(IMAGES, 0, set()) == tuple(image.image_id for image in IMAGES)


def test_the_same_files_give_the_same_package(tmp_path: Path) -> None:
    folder, wheel = tmp_path / "machine", tmp_path / "comfyfleet-1-py3-none-any.whl"
    (folder / "units").mkdir(parents=True)
    (folder / "install.sh").write_text("true")
    (folder / "units" / "a.service").write_text("[Unit]")
    wheel.write_bytes(b"wheel")
    lock = tmp_path / "lock.txt"
    lock.write_text("httpx==1")
    first = build_package(folder, wheel, lock)
    assert build_package(folder, wheel, lock) == first
    with tarfile.open(fileobj=io.BytesIO(first.content)) as archive:
        modes = {member.name: member.mode for member in archive.getmembers()}
    assert modes == {
        "machine/install.sh": 0o755,
        "machine/units/a.service": 0o644,
        "machine/worker.txt": 0o644,
        wheel.name: 0o644,
    }
    assert newest_wheel(tmp_path) == wheel


def test_what_lacks_for_a_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(TargetInvalid, match=r"install\.sh"):
        build_package(tmp_path, tmp_path / "a.whl", tmp_path / "lock.txt")
    (tmp_path / "install.sh").touch()
    with pytest.raises(TargetInvalid, match=r"a\.whl"):
        build_package(tmp_path, tmp_path / "a.whl", tmp_path / "lock.txt")
    (tmp_path / "a.whl").touch()
    with pytest.raises(TargetInvalid, match=r"lock\.txt"):
        build_package(tmp_path, tmp_path / "a.whl", tmp_path / "lock.txt")
    (tmp_path / "a.whl").unlink()
    with pytest.raises(TargetInvalid, match="no wheel"):
        newest_wheel(tmp_path)


def test_the_probe_renders_a_picture_and_tells_the_version(tmp_path: Path) -> None:
    with standin(tmp_path) as url:
        run = probe(url)
    assert (run.returncode, run.stderr) == (0, "")
    assert '"comfyui_version"' in run.stdout
    assert list(tmp_path.rglob("bake-probe*.png"))


def test_the_probe_says_why_it_cannot() -> None:
    run = probe("http://127.0.0.1:9")
    assert run.returncode == 1
    assert "does not answer" in run.stderr


def test_the_probe_is_sent_whole() -> None:
    assert "EmptyImage" in scripts.render().text
    assert Path(str(render_probe.__file__)).read_text().splitlines()[-1] in scripts.render().text


def probe(url: str) -> "subprocess.CompletedProcess[str]":
    source = Path(str(render_probe.__file__)).read_text()
    return subprocess.run(
        [sys.executable, "-I", "-", url, "20"], input=source, text=True, capture_output=True, timeout=60, check=False
    )
