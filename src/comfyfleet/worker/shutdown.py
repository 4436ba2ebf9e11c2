"""What SIGTERM and SIGINT do: the first ends the worker in good order, the second at once."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

log = logging.getLogger(__name__)

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


async def run_until_signalled(work: Coroutine[Any, Any, None], at_once: Callable[[], None]) -> None:
    """Run `work` until it ends or a signal cancels it, and return when it has cleaned up.

    On a second signal `at_once` is called and the process ends there and then.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    is_stopping = False

    def on_signal(number: signal.Signals) -> None:
        nonlocal is_stopping
        if is_stopping:
            log.warning("%s again: leaving at once", number.name)
            at_once()
            os._exit(128 + number)
        is_stopping = True
        log.info("%s: putting back what is unfinished; once more to leave at once", number.name)
        task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        with suppress(asyncio.CancelledError):
            await task
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
