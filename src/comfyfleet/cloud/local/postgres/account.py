"""As whom Postgres runs. It refuses to run as root, so for root its programs change to a system user.

That user must still reach the data folder and the programs, which may lie below a folder such as /root that only
root can enter. On Linux its processes therefore keep one capability, CAP_DAC_READ_SEARCH (capabilities(7)): they may
pass through folders and read, and write nothing that is not theirs. The root of a container mostly lacks that one;
there they keep CAP_DAC_OVERRIDE instead, and only when a folder on the way is closed.
"""

import contextlib
import ctypes
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

USER: Final = "comfyfleet"
_FALLBACK_USER: Final = "nobody"

_PR_SET_SECUREBITS: Final = 28
_SECBIT_NO_SETUID_FIXUP: Final = 1 << 2
"""Also lets access(2), by which Postgres looks for its own programs, see the capability."""
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_RAISE: Final = 2
_CAP_DAC_OVERRIDE: Final = 1
_CAP_DAC_READ_SEARCH: Final = 2
_CAPABILITY_VERSION_3: Final = 0x20080522
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Account:
    """A user of this machine."""

    uid: int
    gid: int
    capability: int | None = None
    """What its processes keep of root's powers, by number; None for nothing."""


def ourselves() -> Account:
    """Return the user that this process runs as."""
    return Account(os.geteuid(), os.getegid())


def account_for(data: Path, programs: Path) -> Account | None:
    """Return the user that shall own `data` and run `programs`, or None to run as ourselves.

    Data that exist keep their owner. Otherwise root uses the system user `comfyfleet`, made when it is
    lacking, or `nobody` where none can be made.
    """
    if os.geteuid() != 0:
        return None
    account = _owner(data) or _find(USER) or _make() or _find(_FALLBACK_USER)
    return account and replace(account, capability=_capability_to_reach(data, programs / "postgres"))


def becoming(account: Account | None) -> Callable[[], None] | None:
    """Return a `preexec_fn` that turns a child into the account."""
    if account is None:
        return None
    capability = account.capability
    mask = 0 if capability is None else 1 << capability
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)

    def become() -> None:
        if _LIBC is not None and capability is not None:
            _LIBC.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
        os.setgroups([])
        os.setgid(account.gid)
        os.setuid(account.uid)
        if _LIBC is not None and capability is not None:
            _LIBC.capset(header, data)
            _LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0)

    return become


def give(path: Path, account: Account | None) -> None:
    """Give a file or folder to the account."""
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _capability_to_reach(*paths: Path) -> int | None:
    if _LIBC is None:
        return None
    ours = _our_capabilities(_LIBC)
    if ours & 1 << _CAP_DAC_READ_SEARCH:
        return _CAP_DAC_READ_SEARCH
    is_closed = any(not folder.stat().st_mode & 0o001 for path in paths for folder in path.parents if folder.exists())
    return _CAP_DAC_OVERRIDE if is_closed and ours & 1 << _CAP_DAC_OVERRIDE else None


def _our_capabilities(libc: ctypes.CDLL) -> int:
    """Return the permitted ones among the first 32, as bits."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()
    libc.capget(header, data)
    return int(data[1])


def _owner(data: Path) -> Account | None:
    if not data.exists() or data.stat().st_uid == 0:
        return None
    return Account(data.stat().st_uid, data.stat().st_gid)


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
