"""`python -m comfyfleet.standin`: start the stand-in and run it until SIGTERM or Ctrl-C."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from comfyfleet.standin.server import StandInServer
from comfyfleet.standin.settings import MIB, NOTICE, Settings


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the stand-in; returns when it was told to end and has."""
    StandInServer(parse(arguments)).run()


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Read the command line; the options are those of ComfyUI."""
    parser = argparse.ArgumentParser(prog="python -m comfyfleet.standin", description=NOTICE)
    parser.add_argument("--listen", default="127.0.0.1", metavar="HOST", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8188, help="port to listen on, 0 for any (%(default)s)")
    parser.add_argument(
        "--base-directory", type=Path, required=True, metavar="DIR", help="folder that holds input, output and temp"
    )
    parser.add_argument(
        "--max-upload-size", type=float, default=100.0, metavar="MIB", help="largest request body (%(default)s MiB)"
    )
    given = parser.parse_args(arguments)
    return Settings(
        base_directory=given.base_directory.resolve(),
        host=given.listen,
        port=given.port,
        max_upload_bytes=round(given.max_upload_size * MIB),
    )


if __name__ == "__main__":
    main()
