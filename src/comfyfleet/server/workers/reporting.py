"""What workers tell of their machines, and from their logs."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.redaction import redacted
from comfyfleet.protocol.worker import LogLine, ReportRequest
from comfyfleet.server import db
from comfyfleet.server.models import Worker, WorkerLogLine
from comfyfleet.server.notifier import worker_topic
from comfyfleet.server.workers import log_repository

KEPT_LINES: Final = 1000
"""Lines of each worker's log that are kept."""

_CLOCK_ERROR: Final = timedelta(days=1)


async def record_report(session: AsyncSession, worker: Worker, report: ReportRequest, now: datetime) -> None:
    """Keep a report: the figures, where there are some, the bundle, and the lines of the log.

    Only lines are published at once: figures change all the time, and whoever looks at them looks again by itself.
    """
    if report.figures is not None:
        worker.figures = report.figures.model_dump(mode="json")
        worker.figures_at = now
    worker.bundle_id = report.bundle_id
    if report.log:
        await log_repository.add(session, [_row(worker, line, now) for line in report.log])
        await log_repository.keep_last(session, worker.id, KEPT_LINES)
        await db.publish(session, worker_topic(worker.id))


def _row(worker: Worker, line: LogLine, now: datetime) -> WorkerLogLine:
    # A machine whose clock is far off still tells in which order things happened.
    at = line.at if abs(line.at - now) < _CLOCK_ERROR else now
    # Our own agent has done this; others may not.
    return WorkerLogLine(worker_id=worker.id, at=at, level=line.level, text=redacted(line.text))
