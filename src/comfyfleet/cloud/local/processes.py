"""Child processes that never outlive us."""

import ctypes
import signal
import sys
from collections.abc import Callable
from typing import Final

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
