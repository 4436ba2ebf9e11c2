"""Child processes: they never outlive us, and never see our own settings."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Final

from pydantic_settings import BaseSettings

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def dying_with_parent(number: int = signal.SIGKILL) -> Callable[[], None] | None:
    """Return a `preexec_fn` that makes the kernel signal the child when its parent dies, however it dies.

    Linux only (prctl(2), PR_SET_PDEATHSIG); elsewhere None, and a parent that is killed leaves its children.
    The library is loaded before the fork, so that nothing is imported between fork and exec.
    """
    if _LIBC is None:
        return None
    prctl = _LIBC.prctl

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)

    return ask_kernel


def environment_without(*settings: type[BaseSettings]) -> dict[str, str]:
    """Return this process's environment for a child, less the variables of some settings: they hold our secrets."""
    ours = {variable for one in settings for variable in variables_of(one)}
    return {name: value for name, value in os.environ.items() if name.upper() not in ours}


def variables_of(settings: type[BaseSettings]) -> list[str]:
    """Return the names of the variables that settings are read from, in the order of their fields."""
    prefix = settings.model_config.get("env_prefix") or ""
    return [
        field.validation_alias if isinstance(field.validation_alias, str) else f"{prefix}{name}".upper()
        for name, field in settings.model_fields.items()
    ]
