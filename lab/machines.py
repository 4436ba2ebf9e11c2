"""Machines as local process trees: each has a folder that stands for its disk, and a metadata service."""

import contextlib
import ipaddress
import json
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import IO, Final

import psutil

from comfyfleet import names
from comfyfleet.cloud.local.processes import dying_with_parent
from lab.errors import ApiError, NotSimulated
from lab.guest.disk import moved, relocate
from lab.guest.machine import ENVIRONMENT_FILE, SHUTDOWN_FILE, Guest
from lab.guest.programs import write_programs
from lab.guest.services import stop_all
from lab.guest.units import enabled_units
from lab.metadata import MetadataService, Pages

_METADATA: Final = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
_USERS_PIP: Final = (".config/pip/pip.conf", ".pip/pip.conf")
_SOURCE: Final = Path(names.__file__).parents[1]
_COMFYUI: Final = f'env PYTHONPATH="{_SOURCE}" "{sys.executable}" -m comfyfleet.standin --listen "$COMFYUI_ADDRESS"'
"""The stand-in of the comfyfleet that the lab itself runs with."""


@dataclass
class Machine:
    """A machine that runs. `address` stands for its own loopback, on which its ComfyUI listens.

    `notices` are metadata pages that come and go, such as an interruption's; `halts_at` is when it halts by itself.
    """

    instance_id: str
    root: Path
    address: str
    metadata: MetadataService
    environment: dict[str, str]
    notices: dict[str, str] = field(default_factory=dict)
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)
    halts_at: datetime | None = None


class Machines:
    """All machines and images of a lab, below `folder`."""

    def __init__(self, folder: Path, environment: Callable[[], Mapping[str, str]]) -> None:
        self._folder = folder
        self._environment = environment
        self._spawner = ThreadPoolExecutor(1, "lab-spawner")
        self._programs = folder / "programs"
        self._addresses = map(str, map(ipaddress.IPv4Address, count(_first_address())))
        self._power = threading.RLock()
        self.running: dict[str, Machine] = {}
        write_programs(self._programs)

    def image_folder(self, image_id: str) -> Path:
        """Return where an image's files are."""
        return self._folder / "images" / image_id

    def start(self, instance_id: str, image_id: str, user_data: str, pages: Pages) -> Machine:
        """Make a machine's disk of an image, and run its user data, as the first boot does.

        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html
        """
        image = self.image_folder(image_id)
        if not image.is_dir():
            raise ApiError("InvalidAMIID.NotFound", f"The lab has no files of the image {image_id}.")
        if user_data and not user_data.startswith("#!"):
            raise NotSimulated("user data that is no script")
        root = self._folder / "machines" / instance_id
        copy_tree(image, root)
        notices: dict[str, str] = {}
        metadata = MetadataService(lambda: {**pages(), **notices})
        address = next(self._addresses)
        environment = {**self._environment(), **self._own(root, address), _METADATA: metadata.url}
        machine = self.running[instance_id] = Machine(instance_id, root, address, metadata, environment, notices)
        _make_volatile(machine)
        if user_data:
            script = root / "var/lib/cloud/user-data"
            script.parent.mkdir(parents=True, exist_ok=True)
            script.write_text(moved(user_data, root, address))
            script.chmod(0o700)
            with (root / "var/log/cloud-init-output.log").open("ab") as output:
                self.spawn(machine, [str(script)], stdout=output, stderr=subprocess.STDOUT)
        return machine

    def _own(self, root: Path, address: str) -> dict[str, str]:
        """Return what a machine's programs find of their machine: the lab's programs first, and our paths moved."""
        install_root = root / names.INSTALL_ROOT[1:]
        options = f'--port {names.COMFYUI_PORT} --base-directory "$INSTALL_ROOT"'
        return {
            "PATH": f"{self._programs}:{root}/usr/local/bin:{os.defpath}:/usr/local/bin",
            "HOME": str(root / "root"),
            "TMPDIR": str(root / "tmp"),
            "LAB_PID": str(os.getpid()),
            "MACHINE_ROOT": str(root),
            "INSTALL_ROOT": str(install_root),
            "ASSET_SYNC_LOG": str(root / names.ASSET_SYNC_LOG[1:]),
            "COMFYUI_ADDRESS": address,
            "COMFYUI_BASE_URL": f"http://{address}:{names.COMFYUI_PORT}",
            "COMFYUI_COMMAND": f"{_COMFYUI} {options}",
            "COMFYUI_RESTART_COMMAND": f"systemctl try-restart {names.COMFYUI_SERVICE}",
            "PYTHON": sys.executable,
            **_pip_settings(),
        }

    def halting(self, machine: Machine) -> float | None:
        """Return in how many minutes a machine halts by itself, counted from now; None for one that stays."""
        path = machine.root / SHUTDOWN_FILE
        if not path.exists():
            return None
        minutes = float(path.read_text())
        path.unlink()
        return minutes

    def spawn(
        self, machine: Machine, command: list[str], *, stdout: int | IO[bytes], stderr: int
    ) -> subprocess.Popen[bytes]:
        """Run a program on a machine.

        It is started by a thread that lives as long as we: the kernel ends the children of a thread that has ended.
        """
        child = self._spawner.submit(
            lambda: subprocess.Popen(
                command,
                cwd=machine.root,
                env=machine.environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                preexec_fn=dying_with_parent(),  # noqa: PLW1509 - one system call between fork and exec
            )
        ).result()
        machine.children.append(child)
        return child

    def reboot(self, instance_id: str, *, is_hard: bool = False) -> None:
        """Let a machine start anew on its disk, at its address; return at once.

        Its services end as their units say, unless it is hard; what is left is killed. `run` and `tmp` are empty then,
        and the units that are enabled start. User data does not run again.
        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-reboot.html
        """
        machine = self.running[instance_id]
        threading.Thread(target=self._start_anew, args=(machine, is_hard), daemon=True).start()

    def end(self, instance_id: str) -> None:
        """End all of a machine's processes, those too that went into the background, and its metadata service."""
        with self._power:
            machine = self.running.pop(instance_id, None)
        if machine is None:
            return
        _kill_all(machine)
        machine.metadata.stop()

    def shut_down(self, machine: Machine) -> None:
        """Stop a machine: its services end as their units say, and what is left is killed. Its disk stays."""
        stop_all(Guest(machine.root, machine.environment))
        self.end(machine.instance_id)

    def start_again(self, machine: Machine) -> None:
        """Boot a machine that was shut down, on the disk that it left; it has another metadata service."""
        metadata = MetadataService(machine.metadata.pages)
        environment = {**machine.environment, _METADATA: metadata.url}
        again = Machine(machine.instance_id, machine.root, machine.address, metadata, environment, machine.notices)
        self.running[machine.instance_id] = again
        self._boot(again)

    def end_all(self) -> None:
        """End all machines."""
        for instance_id in list(self.running):
            self.end(instance_id)
        self._spawner.shutdown()

    def keep_image(self, instance_id: str, image_id: str) -> None:
        """Copy a machine's disk as an image."""
        copy_tree(self._folder / "machines" / instance_id, self.image_folder(image_id))

    def _start_anew(self, machine: Machine, is_hard: bool) -> None:
        if not is_hard:
            stop_all(Guest(machine.root, machine.environment))
        with self._power:
            if self.running.get(machine.instance_id) is machine:
                _kill_all(machine)
                self._boot(machine)

    def _boot(self, machine: Machine) -> None:
        _make_volatile(machine)
        if units := enabled_units(Guest(machine.root, machine.environment)):
            command = ["systemctl", "start", *units]
            self.spawn(machine, command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def processes_of(root: Path) -> list[psutil.Process]:
    """Return the processes that were started on a machine, known by their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get("MACHINE_ROOT") == str(root):
                found.append(process)
    return found


def _make_volatile(machine: Machine) -> None:
    """Make the folders that are empty when a machine starts."""
    for name in ("run", "tmp"):
        shutil.rmtree(machine.root / name, ignore_errors=True)
    for name in ("run", "tmp", "var/log"):
        (machine.root / name).mkdir(parents=True, exist_ok=True)
    (machine.root / ENVIRONMENT_FILE).write_text(json.dumps(machine.environment))


def _kill_all(machine: Machine) -> None:
    while found := processes_of(machine.root):
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(found, timeout=5)
    for child in machine.children:
        child.wait(10)
    machine.children.clear()


def copy_tree(source: Path, target: Path) -> None:
    """Copy a disk: a whole copy, since a hard link would let a machine write into its image."""
    shutil.copytree(source, target, symlinks=True, ignore=_outside_disk(source))
    relocate(target, source)


def _outside_disk(source: Path) -> Callable[[str, list[str]], set[str]]:
    def ignored(folder: str, found: list[str]) -> set[str]:
        return {"run", "tmp"}.intersection(found) if Path(folder) == source else set()

    return ignored


def _pip_settings() -> dict[str, str]:
    """Return where pip finds packages here, which is this machine's own affair; machines have another home."""
    found = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    found |= {name: os.environ[name] for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE") if name in os.environ}
    found |= {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    files = [Path.home() / name for name in _USERS_PIP if (Path.home() / name).is_file()]
    cache = {"PIP_CACHE_DIR": str(Path.home() / ".cache/pip")}
    return {**cache, **({"PIP_CONFIG_FILE": str(files[0])} if files else {}), **found}


def _first_address() -> int:
    """Return an address of the loopback network, where several labs hardly meet."""
    return int(ipaddress.IPv4Address("127.16.0.1")) + 256 * random.randrange(60_000)  # noqa: S311 - no secret
