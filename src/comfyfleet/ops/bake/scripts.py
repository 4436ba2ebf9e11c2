"""The scripts that make an image's machine of a base image, prove it, and leave no secret in it."""

import shlex
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from comfyfleet import names
from comfyfleet.ops.apply_remote import apply_command
from comfyfleet.ops.dev_gpu import await_comfyui

_WORKER_TOKEN: Final = "cfw_[A-Za-z0-9_-]{20,}"
_ACCESS_KEY: Final = "(AKIA|ASIA)[0-9A-Z]{16}"


@dataclass(frozen=True)
class Stage:
    """A step of a bake on the machine, in words, and how long it may take."""

    name: str
    text: str
    timeout_seconds: int


def install(url: str, sha256: str, wheel: str) -> Stage:
    """Fetch the package, check its bytes, and run its installer with the wheel as its argument."""
    text = (
        "set -euo pipefail\n"
        "folder=$(mktemp -d)\n"
        "trap 'rm -rf \"$folder\"' EXIT\n"
        f'curl -fsS --retry 3 -o "$folder/package.tar.gz" {shlex.quote(url)}\n'
        f'echo "{sha256}  $folder/package.tar.gz" | sha256sum -c --status || '
        "{ echo 'the package has other bytes than were sent' >&2; exit 1; }\n"
        'tar -xzf "$folder/package.tar.gz" -C "$folder"\n'
        f'bash "$folder/machine/install.sh" "$folder/"{shlex.quote(wheel)}\n'
    )
    return Stage("install ComfyUI and the worker", text, 5400)


def apply_bundle(bucket: str, bundle_id: str) -> Stage:
    """Apply the bundle, and note that the image has it."""
    baked = f"{names.INSTALL_ROOT}/{names.BAKED_BUNDLE_FILE}"
    text = f"set -e\n{apply_command(bucket, bundle_id)}\nprintf '%s\\n' {shlex.quote(bundle_id)} > {baked}\n"
    return Stage(f"apply bundle {bundle_id}", text, 7200)


def start_comfyui() -> Stage:
    """Start ComfyUI as the image will, and wait until it answers."""
    return Stage("start ComfyUI", f"systemctl restart {names.COMFYUI_SERVICE} || exit 1\n{await_comfyui()}", 600)


def prove_isolation() -> Stage:
    """Fail unless ComfyUI, as its unit runs it, is kept from the metadata service and from the worker's environment."""
    values = {
        "service": names.COMFYUI_SERVICE,
        "install_root": names.INSTALL_ROOT,
        "secret": names.WORKER_ENVIRONMENT,
        "comfyui": names.COMFYUI_DEFAULT_URL,
    }
    given = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    proof = files("comfyfleet.ops.bake").joinpath("isolation_proof.sh").read_text()
    return Stage("prove that ComfyUI is kept from the machine's role", given + proof, 120)


def verify() -> Stage:
    """Read every file of the bundle again."""
    return Stage("verify the bundle", f"INSTALL_ROOT={names.INSTALL_ROOT} comfyfleet machine verify", 3600)


def render() -> Stage:
    """Render one job; its last line is JSON with ComfyUI's version."""
    probe = files("comfyfleet.ops.bake").joinpath("render_probe.py").read_text()
    quoted = shlex.quote(probe)
    return Stage("render one job", f"printf '%s' {quoted} | python3 - {names.COMFYUI_DEFAULT_URL} 300", 600)


def clean() -> Stage:
    """Remove what belongs to this machine alone, as AWS advises for images.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/building-shared-amis.html
    """
    text = (
        f"systemctl stop {names.WORKER_SERVICE} {names.COMFYUI_SERVICE} || true\n"
        f"rm -f {names.WORKER_ENVIRONMENT} {names.ASSET_SYNC_LOG} {names.INSTALL_ROOT}/output/bake-probe*\n"
        "rm -rf /root/.aws /home/*/.aws /root/.bash_history /home/*/.bash_history\n"
        "rm -f /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys /etc/ssh/ssh_host_*\n"
        "rm -f /etc/systemd/system/comfyui-public.*\n"
        "command -v cloud-init > /dev/null && cloud-init clean --logs\n"
        "sync\n"
    )
    return Stage("remove what is this machine's alone", text, 300)


def find_secrets() -> Stage:
    """Fail, naming places only, when something that opens anything is left."""
    text = (
        "found=0\n"
        f"for path in {names.WORKER_ENVIRONMENT} /root/.aws/credentials /home/*/.aws/credentials "
        "/root/.ssh/authorized_keys /home/*/.ssh/authorized_keys; do\n"
        '  if [ -e "$path" ]; then echo "left in the image: $path"; found=1; fi\n'
        "done\n"
        # grep's exit code says also that a folder is not there, so what it names is looked at.
        "left=$(grep -rIlE --exclude-dir=test --exclude-dir=tests --exclude-dir=site-packages "
        f"'FLEET_SECRET=.+|{_WORKER_TOKEN}|{_ACCESS_KEY}|BEGIN [A-Z ]*PRIVATE KEY' "
        "/etc/systemd/system /etc/environment /opt/worker /root /home /var/lib/cloud 2> /dev/null)\n"
        'if [ -n "$left" ]; then echo "these hold secrets: $left"; found=1; fi\n'
        "exit $found\n"
    )
    return Stage("look for secrets", text, 600)
