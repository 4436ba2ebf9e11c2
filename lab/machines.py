"""Machines as local process trees: each has a folder that stands for its disk, and a metadata service."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from comfyfleet.cloud.local.processes import dying_with_parent
from lab.errors import ApiError, NotSimulated
from lab.metadata import MetadataService, Pages


@dataclass
class Machine:
    """A machine that runs. `notices` are metadata pages that come and go, such as an interruption's."""

    instance_id: str
    root: Path
    metadata: MetadataService
    environment: dict[str, str]
    notices: dict[str, str] = field(default_factory=dict)
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)


class Machines:
    """All machines and images of a lab, below `folder`."""

    def __init__(self, folder: Path, environment: Callable[[], Mapping[str, str]]) -> None:
        self._folder = folder
        self._environment = environment
        self._spawner = ThreadPoolExecutor(1, "lab-spawner")
        self.running: dict[str, Machine] = {}

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
        environment = {
            "PATH": os.defpath + ":/usr/local/bin",
            "HOME": str(root),
            **self._environment(),
            "MACHINE_ROOT": str(root),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.url,
        }
        machine = self.running[instance_id] = Machine(instance_id, root, metadata, environment, notices)
        if user_data:
            script = root / "var/lib/cloud/user-data"
            script.parent.mkdir(parents=True, exist_ok=True)
            script.write_text(user_data)
            script.chmod(0o700)
            log = root / "var/log/cloud-init-output.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as output:
                self.spawn(machine, [str(script)], stdout=output, stderr=subprocess.STDOUT)
        return machine

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

    def end(self, instance_id: str) -> None:
        """End all of a machine's processes, those too that went into the background, and its metadata service."""
        machine = self.running.pop(instance_id, None)
        if machine is None:
            return
        while found := processes_of(machine.root):
            for process in found:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(found, timeout=5)
        for child in machine.children:
            child.wait(10)
        machine.metadata.stop()

    def end_all(self) -> None:
        """End all machines."""
        for instance_id in list(self.running):
            self.end(instance_id)
        self._spawner.shutdown()

    def keep_image(self, instance_id: str, image_id: str) -> None:
        """Copy a machine's disk as an image."""
        copy_tree(self._folder / "machines" / instance_id, self.image_folder(image_id))


def processes_of(root: Path) -> list[psutil.Process]:
    """Return the processes that were started on a machine, known by their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get("MACHINE_ROOT") == str(root):
                found.append(process)
    return found


def copy_tree(source: Path, target: Path) -> None:
    """Copy a disk: a whole copy, since a hard link would let a machine write into its image."""
    shutil.copytree(source, target, symlinks=True)
