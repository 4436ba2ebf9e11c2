"""The exit codes of `comfyfleet machine`, on which boot scripts decide."""

from types import MappingProxyType
from typing import Final

from comfyfleet.cli.errors import FleetGroup
from comfyfleet.core.errors import FleetError

EXIT_CODE_OF: Final = MappingProxyType(
    {
        "machine_settings_invalid": 2,
        "source_unavailable": 4,
        "aws_unavailable": 4,
        "source_refused": 3,
        "aws_refused": 3,
        "object_missing": 5,
        "wrong_bytes": 5,
        "manifest_invalid": 5,
        "bundle_invalid": 5,
        "archive_refused": 5,
        "disk_full": 6,
        "disk_refuses": 6,
        "apply_running": 7,
        "requirements_failed": 8,
        "restart_failed": 9,
        "service_failed": 9,
        "parameter_missing": 10,
        "pointer_invalid": 10,
        "secret_not_set": 10,
        "secret_refused": 10,
    }
)
"""By an error's code; any other error is 1."""

MACHINE_EXIT_CODES_HELP: Final = (
    "[bold]Exit codes:[/bold] 0 done · 1 failed, or verify found a difference · 2 wrong usage · 3 the store refuses · "
    "4 the store does not answer · 5 the bundle or its bytes are wrong · 6 the disk is full or refuses · "
    "7 another command works here · 8 packages of custom nodes failed · 9 a service did not start · "
    "10 a parameter is missing or wrong · 130 interrupted"
)


class MachineGroup(FleetGroup):
    """The commands of a machine, with its exit codes."""

    def exit_code_of(self, error: FleetError) -> int:
        """Return the exit code of one of our errors."""
        return EXIT_CODE_OF.get(error.code, 1)
