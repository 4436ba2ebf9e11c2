"""The runbook's steps in the lab, in their order; each says which one it is and fails where its check does."""

import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import httpx
from infrastructure.app import build, make_app
from infrastructure.stages import read_stage

from comfyfleet import names
from comfyfleet.cloud.local.network import free_port
from comfyfleet.cloud.local.postgres import EmbeddedPostgres
from comfyfleet.up.seed import sample_path
from lab.deploy.stacks import SITE_ADDRESS, Deployment
from lab.lab import Lab
from lab.runbook.files import GRAPH, MODEL, OUTPUT_NODE, SLUG, write_files
from lab.runbook.operator import Operator, StepFailed
from lab.runbook.page import FleetPage
from lab.runbook.site import serving, settings_of

STAGE: Final = "staging"
FLEET: Final = names.DEFAULT_FLEET
_REPOSITORY: Final = Path(__file__).parents[2]
_BASE_BUNDLE: Final = "base"
_BUNDLE: Final = "enlarge"
_CREDITS: Final = 2
_JOBS: Final = 5
"""How many jobs are queued when the group is rolled."""


@dataclass
class Walk:
    """What the steps share. `took` has the real seconds of each."""

    lab: Lab
    folder: Path
    port: int = field(default_factory=free_port)
    took: dict[str, float] = field(default_factory=dict)
    operator: Operator = field(init=False)
    page: FleetPage = field(init=False)
    deployment: Deployment = field(init=False)
    _undo: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        write_files(self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Say which step this is, and how long it took."""
        print(f"\n== {title}", flush=True)
        began = time.monotonic()
        yield
        self.took[title] = time.monotonic() - began
        print(f"   done in {self.took[title]:.1f} s", flush=True)

    def all(self) -> None:
        """Walk through all of it."""
        with self.step("Preconditions: the stage's three stacks"):
            self.deploy()
        with self.step("Preconditions: secrets, and the control plane"):
            self.start_site()
        with self.step("Preconditions: a first image, with a clip to try, for the dev node"):
            self.first_image()
        with self.step("Step 1: launch the dev GPU node"):
            node = self.launch_dev_node()
        with self.step("Step 2: load and run the workflow in ComfyUI; note what is missing"):
            self.find_missing(node)
        with self.step("Step 3: upload the missing assets"):
            self.operator.types("assets", "add", MODEL, "--kind", "upscale_model", "--yes")
        with self.step("Step 4: create a bundle"):
            self.operator.types("bundles", "create", _BUNDLE, "--for-workflow", "workflow.json")
        with self.step("Step 5: apply the bundle to the dev node, and test again"):
            self.operator.types("bundles", "apply", _BUNDLE, "--instance", node, "--yes")
            self.run_on(node)
            self.page.does(
                "apply", bundle=self.operator.asks("bundles", "show", _BUNDLE)["bundle_id"], instance_id=node
            )
        with self.step("Steps 6 and 7: export API JSON, create the workflow"):
            files = ("workflow.json", "--slug", SLUG, "--output-node", OUTPUT_NODE)
            self.operator.types("workflows", "import", *files, "--property-file", "properties.json")
        with self.step("Step 8: assign the workflow to the fleet"):
            self.operator.types("fleets", "assign", FLEET, SLUG, "--stage", STAGE, "--yes")
        with self.step("Step 9: activate the bundle"):
            self.operator.types("fleets", "activate", FLEET, _BUNDLE, "--stage", STAGE, "--yes")
            self.check_pointer()
        with self.step("Step 10: bake the fleet's image and roll the group to it"):
            self.bake(_BUNDLE)
            self.roll()
        with self.step("Step 11: create the effect"):
            self.operator.types("effects", "create", "--slug", SLUG, "--workflow", SLUG, "--credits", str(_CREDITS))
        with self.step("Verification: a job wakes the fleet from zero, renders and completes"):
            self.render()
        with self.step("Verification: the machine, the worker, the output"):
            self.verify()
        with self.step("Step 10 again: bake, and roll the group while jobs run"):
            self.roll_while_jobs_run()
        with self.step("Verification: the fleet goes back to zero"):
            self.page.does("stop", instance_id=node)
            self.await_size(0, real_seconds=420)

    def deploy(self) -> None:
        """Write the stacks' templates and make what they describe."""
        cdk = self.folder / "cdk.out"
        app = make_app(str(cdk))
        stage = read_stage(STAGE, self.lab.account)
        build(app, stage.model_copy(update={"worker_identity_check": "group"}))
        app.synth()
        given = {SITE_ADDRESS.format(stage=STAGE): f"127.0.0.1:{self.port}"}
        deployment = self.deployment = Deployment(self.lab, _REPOSITORY / "infrastructure" / "functions", given)
        for stack in ("data", "compute", "gpu"):
            made = deployment.deploy(cdk / f"{names.stack_name(STAGE, stack)}.template.json")
            print(f"   {names.stack_name(STAGE, stack)}: {len(made)} resources")
        print(f"   the lab has none of these: {', '.join(sorted(_kinds(deployment)))}")

    def start_site(self) -> None:
        """Set the secrets, which begin as placeholders, and start the control plane with them."""
        ssm = self.lab.client("ssm")
        for name in (names.fleet_secret_parameter(STAGE), names.app_key_parameter(STAGE)):
            ssm.put_parameter(Name=name, Value=secrets.token_hex(32), Type="String", Overwrite=True)
        postgres = self._undo.enter_context(EmbeddedPostgres(self.folder / "postgres", durable=False))
        template = self.folder / "cdk.out" / f"{names.stack_name(STAGE, 'compute')}.template.json"
        settings = settings_of(self.lab, self.deployment.task(template, "serve"), postgres.url, self.folder)
        site = self._undo.enter_context(serving(settings, self.port, self.folder))
        key = {"COMFYFLEET_URL": site.url, "COMFYFLEET_API_KEY": site.key}
        self.operator = Operator({**self.lab.environment(), **key}, self.folder)
        self.page = self._undo.enter_context(FleetPage(site, STAGE, FLEET))
        self.operator.types("system")
        self.operator.types("fleets", "create", FLEET, "--stage", STAGE)

    def first_image(self) -> None:
        """Bake an image that has ComfyUI and a clip, for the dev node to be made of."""
        wheel = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "wheel", "--no-deps"]
        subprocess.run([*wheel, "--no-build-isolation", "-w", "dist", str(_REPOSITORY)], cwd=self.folder, check=True)
        self.operator.types("assets", "add", str(sample_path()), "--kind", "other", "--yes")
        clip = f"{sample_path().name}=input/{sample_path().name}"
        self.operator.types("bundles", "create", _BASE_BUNDLE, "--asset", clip, "--notes", "A clip to try with")
        self.bake(_BASE_BUNDLE)

    def bake(self, bundle: str) -> None:
        """Bake the fleet's image with a bundle."""
        machine = str(_REPOSITORY / "infrastructure" / "machine")
        lock = str(_REPOSITORY / "requirements" / "worker.txt")
        options = (
            "--machine-folder",
            machine,
            "--requirements",
            lock,
            "--revision",
            "lab",
            "--without-isolation-proof",
        )
        self.operator.types("fleets", "bake", FLEET, "--stage", STAGE, "--bundle", bundle, *options, "--yes")

    def launch_dev_node(self) -> str:
        """Launch the node; return its id."""
        self.operator.types("devnode", "launch", FLEET, "--stage", STAGE, "--yes")
        [node] = self.operator.asks("devnode", "list")
        instance_id: str = node["instance_id"]
        print(f"   in the lab its ComfyUI is at {self.comfyui_of(instance_id)}")
        return instance_id

    def comfyui_of(self, instance_id: str) -> str:
        """Return where a machine's ComfyUI is; the port forward of SSM is what the lab does not have."""
        return f"http://{self.lab.machines.running[instance_id].address}:{names.COMFYUI_PORT}"

    def find_missing(self, node: str) -> None:
        """Queue the workflow: ComfyUI refuses it for the model; and ask what it needs."""
        answer = self.queue(node)
        if answer.status_code != 400 or MODEL not in answer.text:
            raise StepFailed(f"ComfyUI ought to refuse the workflow for {MODEL}: {answer.status_code} {answer.text}")
        print(f"   ComfyUI refuses it: {answer.json()['error']['message']}: {MODEL}")
        self.operator.types("workflows", "analyze", "workflow.json", "--check", code=1)

    def queue(self, node: str) -> httpx.Response:
        """Queue the workflow on a machine's ComfyUI, with the sample clip as its input."""
        url = self.comfyui_of(node)
        with sample_path().open("rb") as clip:
            httpx.post(f"{url}/upload/image", files={"image": ("clip.mp4", clip)}).raise_for_status()
        graph = {**GRAPH, "1": {**GRAPH["1"], "inputs": {"file": "clip.mp4"}}}
        return httpx.post(f"{url}/prompt", json={"prompt": graph})

    def run_on(self, node: str) -> None:
        """Run the workflow on the dev node to its end."""
        answer = self.queue(node).raise_for_status()
        url = f"{self.comfyui_of(node)}/history/{answer.json()['prompt_id']}"

        def ended() -> str | None:
            entries = list(httpx.get(url).json().values())
            return entries[0]["status"]["status_str"] if entries else None

        status = _until("The workflow's end on the dev node", ended, 120)
        if status != "success":
            raise StepFailed(f"The workflow ended as {status}: {httpx.get(url).text}")
        print("   it runs on the dev node now")

    def check_pointer(self) -> None:
        """Look whether the parameter names the bundle."""
        name = names.active_bundle_parameter(STAGE, FLEET)
        wanted = names.bundle_prefix(self.operator.asks("bundles", "show", _BUNDLE)["bundle_id"])

        def look() -> str | None:
            value = self.lab.parameter(name)
            return value if value == wanted else None

        print(f"   {name} = {_until(f'{name} = {wanted}', look, 30)}")

    def roll(self) -> None:
        """Roll the group, which is at zero: its next machine is of the new image."""
        test = ("--test-workflow", SLUG, "--input", str(sample_path()))
        self.operator.types("fleets", "roll", FLEET, "--stage", STAGE, *test, "--yes")

    def roll_while_jobs_run(self) -> None:
        """Replace the machine that renders: no job is lost, and each is paid for once."""
        self.bake(_BUNDLE)
        before = self.operator.asks("me")["balance"]
        [old] = self.members()
        for _ in range(_JOBS):
            self.operator.types("run", SLUG, "--input", str(sample_path()), "--no-wait")
        times = ("--canary-seconds", "600", "--warmup", "60")
        test = ("--test-workflow", SLUG, "--input", str(sample_path()))
        self.operator.types("fleets", "roll", FLEET, "--stage", STAGE, *test, *times, "--yes")
        jobs = _until("The end of all jobs", self.ended_jobs, 240)
        after = self.operator.asks("me")["balance"]
        spent = after["consumed"] - before["consumed"]
        print(f"   {len(jobs)} jobs: {', '.join(sorted(jobs))}; {spent} credits consumed, {after['reserved']} reserved")
        left = {one["InstanceId"] for one in self.members() if not one["LifecycleState"].startswith("Terminat")}
        if set(jobs) != {"completed"} or spent != _JOBS * _CREDITS or after["reserved"]:
            raise StepFailed(
                f"All jobs ought to be completed, and {_JOBS * _CREDITS} credits consumed: tests are free."
            )
        if old["InstanceId"] in left:
            raise StepFailed(f"{old['InstanceId']} ought to be replaced.")

    def ended_jobs(self) -> list[str] | None:
        """Return the states of all jobs of the operator's tenant, when none is open any more."""
        states = [job["status"] for job in self.operator.asks("jobs", "list")["items"]]
        return None if {"queued", "processing"} & set(states) else states

    def render(self) -> None:
        """Run the effect while no machine is there."""
        self.await_size(0, real_seconds=10)
        self.operator.types("run", SLUG, "--input", str(sample_path()), "--output", "result.mp4")

    def verify(self) -> None:
        """Do the checks of the runbook on the machine that rendered."""
        self.operator.types("workers", "list")
        self.operator.types("fleets", "machines", FLEET, "--stage", STAGE)
        [member] = self.members()
        root = self.lab.machines.running[member["InstanceId"]].root
        for path in (names.BAKED_BUNDLE_FILE, names.ACTIVE_BUNDLE_FILE):
            print(f"   /opt/comfyui/{path}: {(root / 'opt/comfyui' / path).read_text().strip()}")
        print("   " + "\n   ".join((root / "var/log/comfyui-asset-sync.log").read_text().splitlines()[-5:]))
        bucket = names.media_bucket(self.lab.account, STAGE)
        found = self.lab.client("s3").list_objects_v2(Bucket=bucket, Prefix="tenants/")
        keys = [one["Key"] for one in found.get("Contents", []) if "/ai-jobs/" in one["Key"]]
        if not keys:
            raise StepFailed(f"There is no output in {bucket}.")
        print("   " + "\n   ".join(f"s3://{bucket}/{key}" for key in keys))

    def members(self) -> list[dict[str, Any]]:
        """Return the group's machines."""
        group = names.group_name(STAGE, FLEET)
        found = self.lab.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[group])
        return list(found["AutoScalingGroups"][0]["Instances"])

    def await_size(self, size: int, *, real_seconds: float) -> None:
        """Wait until the group has so many machines."""
        begun = self.lab.clock.now()
        _until(f"A group of {size}", lambda: len(self.members()) == size or None, real_seconds)
        minutes = (self.lab.clock.now() - begun).total_seconds() / 60
        print(f"   the group has {size} machines after {minutes:.1f} simulated minutes")


def _until(what: str, ask: Callable[[], Any], seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while (found := ask()) is None:
        if time.monotonic() > deadline:
            raise StepFailed(f"{what} did not come about in {seconds:.0f} s.")
        time.sleep(1)
    return found


def _kinds(deployment: Deployment) -> set[str]:
    return {reason.split(": ")[0].removeprefix("AWS::") for reason in deployment.left_out.values()}
