"""`python -m benchmarks.library [--gib 5] [--cache .cache/bench-library]`: see benchmarks/README.md."""

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.apply.bars import MIB
from benchmarks.bars import Bar, end
from benchmarks.errors import BenchmarkFailed
from benchmarks.library.proxy import CountingProxy
from benchmarks.library.server import Server

GIB: Final = 2**30
CUT_AT: Final = 0.6
SERVER_MIB_LIMIT: Final = 300.0
RESENT_LIMIT: Final = 0.45  # 40 % are missing at the cut, and the parts that were on their way come again


def main() -> int:
    """Measure, print, and return 0 when all bars hold."""
    parser = argparse.ArgumentParser(prog="benchmarks.library", description=__doc__)
    parser.add_argument("--gib", type=float, default=5.0)
    parser.add_argument("--cache", type=Path, default=Path(".cache/bench-library"))
    arguments = parser.parse_args()
    size, cache = int(arguments.gib * GIB), arguments.cache.absolute()
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    try:
        figures = _measure(size, cache)
    finally:
        shutil.rmtree(cache, ignore_errors=True)
    bars = {
        "server_peak_mib": Bar(SERVER_MIB_LIMIT, figures["server_peak_mib"], is_strict=True),
        "resent_share": Bar(RESENT_LIMIT, figures["resent_share"]),
        "known_again_bytes": Bar(MIB, figures["known_again_bytes"]),
    }
    for name, value in figures.items():
        print(f"{name:<24} {value:12.3f}")
    return end("library", 1, figures, {}, bars)


def _measure(size: int, cache: Path) -> dict[str, float]:
    file = cache / "large.safetensors"
    print(f"making a file of {size / GIB:.2f} GiB …", flush=True)
    sha256 = _make_file(file, size)
    figures: dict[str, float] = {"size_gib": size / GIB}
    with Server(cache / "data") as server:
        proxy = CountingProxy(server.port)
        environment = {"COMFYFLEET_URL": proxy.url, "COMFYFLEET_API_KEY": server.api_key}
        figures |= _upload(file, size, sha256, proxy, environment)
        before = proxy.sent
        again = _command(environment, "assets", "add", str(file), "--json")
        figures["known_again_bytes"] = float(proxy.sent - before)
        _expect(again["was_known"] is True, "the second upload was not recognised")
        figures |= _install(sha256, server, cache, environment)
        figures["server_peak_mib"] = server.peak_bytes() / MIB
        proxy.close()
    return figures


def _upload(
    file: Path, size: int, sha256: str, proxy: CountingProxy, environment: Mapping[str, str]
) -> dict[str, float]:
    print(f"uploading, and cutting at {CUT_AT:.0%} …", flush=True)
    started = time.perf_counter()
    cut = _start(environment, "assets", "add", str(file), "--json")
    while proxy.sent < CUT_AT * size:
        _expect(cut.poll() is None, "the upload ended before it was cut")
        time.sleep(0.01)
    cut.send_signal(signal.SIGKILL)
    cut.wait()
    sent_before = proxy.sent
    added = _command(environment, "assets", "add", str(file), "--json")
    _expect(added["asset"]["sha256"] == sha256, "the digest is another one")
    return {
        "upload_seconds": time.perf_counter() - started,
        "cut_at_share": sent_before / size,
        "resent_share": (proxy.sent - sent_before) / size,
    }


def _install(sha256: str, server: Server, cache: Path, environment: Mapping[str, str]) -> dict[str, float]:
    print("bundle, apply, verify …", flush=True)
    bundle = _command(environment, "bundles", "create", "large", "--asset", sha256, "--json")
    machine = {
        "MODELS_FOLDER": str(server.models_folder),
        "INSTALL_ROOT": str(cache / "root"),
        "ASSET_SYNC_LOG": str(cache / "sync.log"),
        "BUNDLE_PREFIX": str(bundle["prefix"]),
    }
    started = time.perf_counter()
    _command(machine, "machine", "apply", "--json")
    applied = time.perf_counter()
    verified = _command(machine, "machine", "verify", "--json")
    _expect(verified["is_whole"] is True, "verify found a difference")
    return {"apply_seconds": applied - started, "verify_seconds": time.perf_counter() - applied}


def _make_file(path: Path, size: int) -> str:
    """Write random bytes; return their digest."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for start in range(0, size, 4 * MIB):
            block = os.urandom(min(4 * MIB, size - start))
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _start(environment: Mapping[str, str], *words: str) -> "subprocess.Popen[str]":
    outside = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-m", "comfyfleet", *words],
        env={**outside, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _command(environment: Mapping[str, str], *words: str) -> dict[str, Any]:
    """Return the last JSON document that a command prints: on one line, or over several."""
    output, errors = (process := _start(environment, *words)).communicate()
    _expect(process.returncode == 0, f"{' '.join(words)[:120]} ended with {process.returncode}: {errors[-1000:]}")
    last = output.strip().splitlines()[-1]
    document: dict[str, Any] = json.loads(last if last.startswith("{") else output)
    return document


def _expect(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise BenchmarkFailed(otherwise, hint="Run the same commands by hand.")


if __name__ == "__main__":
    sys.exit(main())
