"""What a machine says of itself before it ends, and its logs with it."""

from typing import Final

from comfyfleet import names
from comfyfleet.core.errors import FleetError
from comfyfleet.ops.remote import Script, ask
from comfyfleet.ops.tools import Cloud, Reporter

_LINES: Final = 15
_SECONDS: Final = 120


def tell_last_words(cloud: Cloud, reporter: Reporter, stage: str, instance_id: str) -> None:
    """Tell the last lines of a machine's services and of its boot; a machine that says nothing is no trouble."""
    reporter.step(f"Asking {instance_id} what it says")
    script = Script(
        instance_id, _script(), "comfyfleet: last words", _SECONDS, names.sync_log_prefix(stage, instance_id)
    )
    try:
        reporter.output(ask(cloud, script).output)
    except FleetError as error:
        reporter.output(f"It says nothing: {error.message}\n")


def _script() -> str:
    lines = [
        f"echo '== {unit}'; journalctl -u {unit} -n {_LINES} --no-pager"
        for unit in (names.COMFYUI_SERVICE, names.WORKER_SERVICE)
    ]
    lines.append(f"echo '== {names.ASSET_SYNC_LOG}'; tail -n {_LINES} {names.ASSET_SYNC_LOG}")
    return "".join(f"{line} 2>&1\n" for line in lines)
