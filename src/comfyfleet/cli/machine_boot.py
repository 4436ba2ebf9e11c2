"""From the environment of a machine of a fleet to its boot, and back to what is printed."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import typer

from comfyfleet.cli import machine_verbs
from comfyfleet.cli.machine_report import Teller
from comfyfleet.cloud.aws.parameters import SsmParameters
from comfyfleet.cloud.aws.s3 import S3ObjectStore, make_s3_client
from comfyfleet.core.errors import FleetError
from comfyfleet.machine.boot import run
from comfyfleet.machine.boot.log import keep_log
from comfyfleet.machine.boot.services import start_service
from comfyfleet.machine.boot.settings import BootSettings
from comfyfleet.machine.report import Report

_LOCK_SECONDS = 900.0
"""How long a boot waits for another command on the machine's bundle, such as the boot that a reboot cut in on."""


def boot(settings: BootSettings, *, is_quiet: bool) -> dict[str, Any]:
    """Boot, and keep what was said in the logs bucket, however it ends."""
    teller = Teller(settings, is_quiet=is_quiet)
    try:
        with teller:
            tools = run.BootTools(SsmParameters(), _applier(settings, teller.report), start_service)
            return asdict(run.boot(settings, tools, teller.report))
    finally:
        _keep(settings, teller.lines)


def show_plan(settings: BootSettings) -> tuple[dict[str, Any], list[str]]:
    """Return what a boot would do."""
    _, plan = run.look(settings, SsmParameters())
    act = f"apply bundle {plan.bundle_id}" if plan.is_apply_needed else "apply nothing"
    lines = [f"{act}: {plan.reason}", f"write {settings.worker_environment}", "start ComfyUI, then the worker"]
    return asdict(plan), lines


def _applier(settings: BootSettings, report: Report) -> Callable[[str, str], None]:
    def apply(bundle_id: str, bucket: str) -> None:
        chosen = settings.model_copy(update={"bundle_prefix": bundle_id, "models_bucket": bucket})
        machine_verbs.apply(chosen, (), _LOCK_SECONDS, report)

    return apply


def _keep(settings: BootSettings, lines: Sequence[str]) -> None:
    if settings.logs_bucket is None or not lines:
        return
    client = make_s3_client(endpoint_url=settings.endpoint_url, region=settings.aws_default_region or "us-east-1")
    try:
        keep_log(
            S3ObjectStore(settings.logs_bucket, client), settings.stage, settings.worker_id, lines, datetime.now(UTC)
        )
    except FleetError as error:
        typer.echo(f"The log could not be kept in {settings.logs_bucket}: {error}", err=True)
