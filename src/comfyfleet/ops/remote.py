"""Scripts on machines: their output while they run, and the exit code of the process itself.

SSM shows a command's output only when the command is over, and 24,000 characters of it
(https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetCommandInvocation.html). So a script also writes
its output to a file of its machine, and short commands read what was added.
"""

import base64
import binascii
import codecs
import contextlib
import shlex
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from comfyfleet.cloud.fleet_ports import CommandRun, CommandStatus
from comfyfleet.core.errors import Unavailable
from comfyfleet.ops.errors import StepFailed
from comfyfleet.ops.tools import Cloud, Reporter
from comfyfleet.ops.waiting import wait_for

_PAUSE_SECONDS: Final = 3
_ASK_SECONDS: Final = 120
_CANCEL_SECONDS: Final = 60
_GRACE_SECONDS: Final = 120
_CHUNK_BYTES: Final = 15_000
"""As base64 this is 20,000 characters, fewer than SSM shows."""


@dataclass(frozen=True)
class Script:
    """A bash script for a machine. `comment` is what the cloud lists; `log_prefix` is where its output is kept."""

    instance_id: str
    text: str
    comment: str
    timeout_seconds: int
    log_prefix: str


@dataclass(frozen=True)
class Outcome:
    """How a script ended. `exit_code` is None for one that was cut off; `output` is all that it printed."""

    command_id: str
    status: CommandStatus
    exit_code: int | None
    output: str

    @property
    def is_success(self) -> bool:
        """Whether it ran to its end and the process said 0."""
        return self.status is CommandStatus.SUCCEEDED and self.exit_code == 0


def follow(
    cloud: Cloud, reporter: Reporter, script: Script, *, is_to_cancel: Callable[[], bool] = lambda: True
) -> Outcome:
    """Run a script and tell its output while it runs.

    Ctrl-C asks `is_to_cancel`; then the script is canceled, and the interrupt goes on its way once it is over.
    """
    log = f"comfyfleet-{uuid.uuid4().hex}.log"
    command_id = _start(cloud, script, _logged(script.text, log))
    tail = _Tail(cloud, reporter, script, log)

    def ask() -> CommandRun | None:
        run = cloud.commands.look(command_id, script.instance_id)
        if run.status is CommandStatus.RUNNING:
            tail.read()
        return run if run.status.is_over else None

    while True:
        try:
            run = wait_for(
                cloud,
                f"The end of '{script.comment}'",
                ask,
                timeout_seconds=script.timeout_seconds + _GRACE_SECONDS,
                pause_seconds=_PAUSE_SECONDS,
            )
        except KeyboardInterrupt:
            if is_to_cancel():
                _cancel(cloud, reporter, script, command_id)
                raise
        except BaseException:
            _cancel(cloud, reporter, script, command_id)
            raise
        else:
            tail.finish(run)
            return Outcome(command_id, run.status, run.exit_code, tail.text)


def ask(cloud: Cloud, script: Script) -> CommandRun:
    """Run a short script and return how it ended, with the first 24,000 characters of what it printed."""
    command_id = _start(cloud, script, script.text)

    def look() -> CommandRun | None:
        run = cloud.commands.look(command_id, script.instance_id)
        return run if run.status.is_over else None

    return wait_for(
        cloud, f"The end of '{script.comment}'", look, timeout_seconds=script.timeout_seconds, pause_seconds=1
    )


def demand(cloud: Cloud, reporter: Reporter, script: Script) -> Outcome:
    """Run a script that has to succeed; raise `StepFailed` with its last lines otherwise."""
    outcome = follow(cloud, reporter, script)
    if outcome.is_success:
        return outcome
    how = f"exit code {outcome.exit_code}" if outcome.exit_code is not None else outcome.status.value
    last = " | ".join(outcome.output.strip().splitlines()[-3:])
    raise StepFailed(
        f"'{script.comment}' failed on {script.instance_id} ({how}): {last or 'it printed nothing'}",
        hint=f"All that it said is in the logs bucket below {script.log_prefix}.",
    )


def _start(cloud: Cloud, script: Script, text: str) -> str:
    return cloud.commands.run(
        script.instance_id,
        f"exec bash -c {shlex.quote(text)}",
        comment=script.comment[:100],
        timeout_seconds=script.timeout_seconds,
        log_prefix=script.log_prefix,
    )


def _logged(text: str, log: str) -> str:
    """Let a script write to a file that only its user can read, too; the exit code stays the script's."""
    return (
        f'log="${{TMPDIR:-/tmp}}/{log}"\n'
        '(umask 077; set -C; : > "$log") || exit 125\n'
        f'(\n{text}\n) 2>&1 | tee -a "$log"\n'
        "exit ${PIPESTATUS[0]}\n"
    )


def _cancel(cloud: Cloud, reporter: Reporter, script: Script, command_id: str) -> None:
    reporter.step(f"Canceling '{script.comment}' on {script.instance_id}")
    with contextlib.suppress(Unavailable):
        cloud.commands.cancel(command_id, script.instance_id)
        wait_for(
            cloud,
            "The end of a canceled command",
            lambda: cloud.commands.look(command_id, script.instance_id).status.is_over or None,
            timeout_seconds=_CANCEL_SECONDS,
            pause_seconds=1,
        )


class _Tail:
    """Reads the file of a script's output from where it was read to before."""

    def __init__(self, cloud: Cloud, reporter: Reporter, script: Script, log: str) -> None:
        self._cloud = cloud
        self._reporter = reporter
        self._script = script
        self._log = log
        self._offset = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.text = ""

    def read(self) -> bool:
        """Tell what was added, at most one chunk; return whether there may be more at once.

        A machine that cannot answer now, such as one that reboots, is asked the next time.
        """
        start = f'tail -c +{self._offset + 1} "${{TMPDIR:-/tmp}}/{self._log}"'
        try:
            run = self._ask(f"{start} | head -c {_CHUNK_BYTES} | base64 -w0")
            chunk = base64.b64decode(run.output.strip(), validate=True) if run.exit_code == 0 else b""
        except (Unavailable, binascii.Error):
            return False
        self._offset += len(chunk)
        self._tell(self._decoder.decode(chunk))
        return len(chunk) == _CHUNK_BYTES

    def finish(self, run: CommandRun) -> None:
        """Tell the rest, and remove the file. What the machine cannot give any more, the cloud's own copy gives."""
        while self.read():
            pass
        self._tell(self._decoder.decode(b"", final=True))
        if len(run.output) > len(self.text):
            self._tell(run.output[len(self.text) :])
        with contextlib.suppress(Unavailable):
            self._ask(f'rm -f "${{TMPDIR:-/tmp}}/{self._log}"')

    def _tell(self, text: str) -> None:
        if text:
            self.text += text
            self._reporter.output(text)

    def _ask(self, text: str) -> CommandRun:
        return ask(
            self._cloud,
            Script(self._script.instance_id, text, "comfyfleet: read output", _ASK_SECONDS, self._script.log_prefix),
        )
