"""As whom Postgres runs. It refuses to run as root, so for root its programs change to a system user.

That user must still reach the data folder and the programs, which may lie below a folder such as /root that only
root can enter. On Linux its processes therefore keep one capability, CAP_DAC_READ_SEARCH (capabilities(7)): they may
pass through folders and read, and write nothing that is not theirs.
"""

import contextlib
import ctypes
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

USER: Final = "comfyfleet"
_FALLBACK_USER: Final = "nobody"

_PR_SET_SECUREBITS: Final = 28
_SECBIT_NO_SETUID_FIXUP: Final = 1 << 2
"""Also lets access(2), by which Postgres looks for its own programs, see the capability."""
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_RAISE: Final = 2
_CAP_DAC_READ_SEARCH: Final = 2
_CAPABILITY_VERSION_3: Final = 0x20080522
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Account:
    """A user of this machine."""

    uid: int
    gid: int


def ourselves() -> Account:
    """Return the user that this process runs as."""
    return Account(os.geteuid(), os.getegid())


def account_for(data: Path) -> Account | None:
    """Return the user that shall own `data` and run Postgres, or None to run as ourselves.

    Data that exist keep their owner. Otherwise root uses the system user `comfyfleet`, made when it is
    lacking, or `nobody` where none can be made.
    """
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        status = data.stat()
        return Account(status.st_uid, status.st_gid)
    return _find(USER) or _make() or _find(_FALLBACK_USER)


def becoming(account: Account | None) -> Callable[[], None] | None:
    """Return a `preexec_fn` that turns a child into the account."""
    if account is None:
        return None
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    mask = 1 << _CAP_DAC_READ_SEARCH
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)

    def become() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
        os.setgroups([])
        os.setgid(account.gid)
        os.setuid(account.uid)
        if _LIBC is not None:
            _LIBC.capset(header, data)
            _LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_READ_SEARCH, 0, 0)

    return become


def give(path: Path, account: Account | None) -> None:
    """Give a file or folder to the account."""
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _find(name: str) -> Account | None:
    with contextlib.suppress(KeyError):
        entry = pwd.getpwnam(name)
        return Account(entry.pw_uid, entry.pw_gid)
    return None


def _make() -> Account | None:
    program = shutil.which("useradd")
    if program is None:
        return None
    arguments = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", USER]
    subprocess.run([program, *arguments], check=False, capture_output=True)
    return _find(USER)
