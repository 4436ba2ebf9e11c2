"""`comfyfleet` and `python -m comfyfleet`."""

import sys


def main() -> None:
    """Run the command line.

    A machine that boots waits for its bundle: its commands are run without loading those of operators and users,
    which takes half a second.
    """
    if sys.argv[1:2] == ["machine"]:
        from comfyfleet.cli.machine import app as machine  # noqa: PLC0415

        machine(args=sys.argv[2:], prog_name="comfyfleet machine")
    else:
        from comfyfleet.cli.main import app  # noqa: PLC0415

        app(prog_name="comfyfleet")


if __name__ == "__main__":
    main()
