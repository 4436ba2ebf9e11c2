"""Measures how fast a bundle comes onto a machine, beside the programs that copy from S3; see benchmarks/README.md."""

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.apply.bars import bars, figures, ratios
from benchmarks.apply.contenders import Ground, Name
from benchmarks.apply.dataset import BUCKET, Dataset, dataset
from benchmarks.apply.report import json_line, table
from benchmarks.apply.rounds import clear, run_again, run_rounds, turns
from benchmarks.bars import bars_table
from benchmarks.errors import BenchmarkFailed
from comfyfleet.cloud.local.processes import dying_with_parent

_ACCESS_KEY: Final = "bench-access-key"
_SECRET_KEY: Final = "bench-secret-key"
_URL_SECONDS: Final = 24 * 3600


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit status: 1 when a bar does not hold, 2 when it could not be measured."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except BenchmarkFailed as error:
        print(error, file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    _say("preparing the data …")
    data = dataset(options.cache, options.scale)
    data.withdraw_next()
    data.warm()
    contenders: list[Name] = options.only or list(Name)
    serial_runs = options.runs if options.serial_runs is None else options.serial_runs
    rounds = turns(contenders, options.runs, serial_runs)
    with _server(data.buckets) as url:
        ground = _ground(options, data, url)
        try:
            usages = run_rounds(ground, data, rounds, _say)
            again = run_again(ground, data, options.runs, _say) if Name.OURS in contenders else None
        finally:
            clear(ground)
    found = {name: figures(usages[name]) for name in contenders if name in usages}
    total = sum(made.size for made in data.first)
    print(f"\n{len(data.first)} files, {total / 2**30:.2f} GiB\n\n{table(found)}\n")
    promised = bars(found, again)
    print(f"{bars_table(promised)}\n")
    print(json_line(options.runs, found, again, ratios(found), promised), flush=True)
    return 0 if all(bar.holds for bar in promised.values()) else 1


@contextlib.contextmanager
def _server(buckets: Path) -> Iterator[str]:
    words = ("--folder", str(buckets), "--access-key", _ACCESS_KEY, "--secret-key", _SECRET_KEY)
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.s3_server", *words],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=dying_with_parent(),  # noqa: PLW1509 - one system call between fork and exec
    )
    try:
        url = process.stdout.readline().strip() if process.stdout else ""
        if not url:
            raise BenchmarkFailed("The S3 server did not start.", hint="Run benchmarks.s3_server by hand.")
        yield url
    finally:
        process.kill()
        process.communicate()


def _ground(options: argparse.Namespace, data: Dataset, url: str) -> Ground:
    ground = Ground(
        url=url,
        access_key=_ACCESS_KEY,
        secret_key=_SECRET_KEY,
        peers=options.peers.absolute(),
        target=(data.folder / "target").absolute(),
        log=data.folder / "run.log",
        keys=data.folder / "keys.json",
        sizes=data.folder / "sizes.json",
        objects=data.folder / "objects.json",
    )
    ground.keys.write_text(json.dumps([made.key for made in data.first]))
    ground.sizes.write_text(json.dumps([made.size for made in data.first]))
    signed = [{"url": _signed(f"{url}/{BUCKET}/{made.key}"), "size": made.size} for made in data.first]
    ground.objects.write_text(json.dumps(signed))
    return ground


def _signed(url: str) -> str:
    request = AWSRequest("GET", url)
    S3SigV4QueryAuth(Credentials(_ACCESS_KEY, _SECRET_KEY), "s3", "us-east-1", expires=_URL_SECONDS).add_auth(request)
    return str(request.url)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.apply", description=__doc__)
    parser.add_argument("--runs", type=_at_least_one, default=5, help="rounds (default 5)")
    parser.add_argument("--serial-runs", type=int, help="rounds in which aws-serial takes part (default: all)")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the sizes of the nine large files")
    parser.add_argument("--only", type=_names, help=f"contenders, with commas: {', '.join(Name)}")
    parser.add_argument("--peers", type=Path, default=Path(".cache/bench/bin"), help="where s5cmd, rclone and aws are")
    parser.add_argument("--cache", type=Path, default=Path(".cache/bench-data"), help="where the data is kept")
    return parser


def _names(text: str) -> list[Name]:
    return [Name(word.strip()) for word in text.split(",")]


def _at_least_one(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError("at least one round is needed")
    return int(text)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
