"""The lab as a context manager."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from comfyfleet import names
from lab.clock import Clock
from lab.emulator import REGION, client, moto
from lab.machines import Machines, copy_tree
from lab.server import Front
from lab.simulators.autoscaling import AutoScaling
from lab.simulators.cloudwatch import CloudWatch
from lab.simulators.commands import RunCommand
from lab.simulators.events import Events, Listener
from lab.simulators.groups import Fleet
from lab.simulators.machines import ACCOUNT, Compute
from lab.simulators.parameters import Parameters
from lab.simulators.records import Records
from lab.simulators.refreshes import Refreshes

SERVICES: Final = ("AUTO_SCALING", "CLOUDWATCH", "EC2", "IAM", "SNS", "SSM", "STS")
Handler = Callable[[dict[str, Any]], None]


class Lab:
    """An AWS on this machine, below `folder`; `base` is the folder that the first image's disk is a copy of.

    `speed` is how many simulated seconds go by in a real one; with 0 time stands still between `clock.forward`.
    """

    def __init__(self, folder: Path, *, base: Path | None = None, speed: float = 0) -> None:
        self._folder, self._base = folder, base
        self._undo = ExitStack()
        self.clock = Clock(speed)
        self.machines = Machines(folder, lambda: self.environment(with_keys=False))
        self.base_image_id = ""
        self.region, self.account = REGION, ACCOUNT
        self._handlers: dict[str, Handler] = {}

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            self.emulator_url = undo.enter_context(moto())
            undo.callback(self.machines.end_all)
            ec2, ssm, s3 = (client(service, self.emulator_url) for service in ("ec2", "ssm", "s3"))
            self.compute = Compute(ec2, ssm, self.machines, self.clock)
            self.events = Events(ACCOUNT, REGION)
            self.fleet = Fleet(self.compute, self.machines, self.clock, self.events)
            self.watch = CloudWatch(self.clock, self._act)
            self.commands = RunCommand(self.machines, s3, self.clock)
            parameters = Parameters(ssm, ec2, self.clock)
            refreshes = Refreshes(self.fleet, self.clock)
            parts = (
                self.compute,
                AutoScaling(self.fleet, self.clock, self.watch.put_alarm),
                refreshes,
                self.watch,
                self.commands,
                parameters,
                Records(ec2, ssm),
            )
            front = Front({name: act for part in parts for name, act in part.actions().items()}, self.emulator_url)
            undo.callback(front.stop)
            self.url = front.url
            self.base_image_id = self.register_image("base", self._base)
            parameters.public[names.BASE_IMAGE_PARAMETER] = self.base_image_id
            self.clock.on_step += [
                self.watch.step,
                self.compute.step,
                self.fleet.step,
                refreshes.step,
                self.events.step,
            ]
            self.clock.start()
            undo.callback(self.clock.stop)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._undo.close()

    def environment(self, *, with_keys: bool = True) -> dict[str, str]:
        """Return what points boto3 and the AWS CLI to the lab; a machine has no keys but those of its metadata."""
        keys = {"AWS_ACCESS_KEY_ID": "lab", "AWS_SECRET_ACCESS_KEY": "lab"} if with_keys else {}
        ours = {f"AWS_ENDPOINT_URL_{service}": self.url for service in SERVICES}
        return {**ours, "AWS_ENDPOINT_URL_S3": self.emulator_url, "AWS_DEFAULT_REGION": REGION, **keys}

    def client(self, service: str) -> Any:
        """Return a boto3 client of the lab."""
        return client(service, self.emulator_url if service == "s3" else self.url)

    def parameter(self, name: str) -> str:
        """Return a parameter's value."""
        return str(self.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])

    def interrupt(self, instance_id: str) -> None:
        """Let a spot machine be taken: its metadata says so, and two simulated minutes later it is gone."""
        self.compute.interrupt(instance_id)

    def rebalance(self, instance_id: str) -> None:
        """Tell a spot machine that it is likely to be taken."""
        self.compute.interrupt(instance_id, is_rebalance=True)

    def without_capacity(self, *types: str, only_spot: bool = False) -> AbstractContextManager[None]:
        """Have no machine of these types for a while, or, without types, none at all."""
        return self.compute.capacity.without(frozenset(types), only_spot=only_spot)

    def on_event(self, pattern: Mapping[str, Any], listener: Listener) -> None:
        """Run a function at each event that matches a pattern, as a rule of EventBridge does."""
        self.events.listen(pattern, listener)

    def lose(self, instance_id: str) -> None:
        """Let a machine's hardware fail: its processes are gone at once, without a word, and so is its record."""
        self.compute.terminate({"InstanceIds": [instance_id]})

    def crash(self, instance_id: str) -> None:
        """Let a machine stop in the middle of whatever it does, and start anew; `RebootInstances` is the gentle way."""
        self.machines.reboot(instance_id, is_hard=True)

    def show_account(self, instance_id: str, account: str) -> None:
        """Let a machine show the identity document of one that belongs to another account; AWS signs that, too."""
        self.machines.running[instance_id].notices.update(self.compute.identity_of(instance_id, account))

    def register_image(self, name: str, disk: Path | None = None) -> str:
        """Make an image whose disk is a copy of a folder, or empty; return its id."""
        ec2 = client("ec2", self.emulator_url)
        image_id = str(ec2.register_image(Name=name, Architecture="x86_64", RootDeviceName="/dev/sda1")["ImageId"])
        target = self.machines.image_folder(image_id)
        if disk is None:
            target.mkdir(parents=True)
        else:
            copy_tree(disk, target)
        return image_id

    def on_alarm(self, arn: str, handler: Handler) -> None:
        """Run a function when an alarm's action names this ARN, as the scale-to-zero function is run."""
        self._handlers[arn] = handler

    def _act(self, arn: str, alarm: dict[str, Any], value: float | None) -> None:
        if self.fleet.act(arn, alarm, value):
            return
        if arn not in self._handlers:
            raise LookupError(f"The alarm {alarm['AlarmName']} acts on {arn}, which the lab does not have.")
        self._handlers[arn](alarm)
