#!/usr/bin/env bash
# Makes a GPU machine of a base image:   install.sh comfyfleet-….whl
# The worker in an environment of its own, ComfyUI at a pinned release, two users, and their services. No service starts
# by itself but the boot, and that one only on a machine whose user data says which fleet it is of. Running it again
# goes on where it stopped.
#
# For trials without root: MACHINE_ROOT moves all paths, and no users are made. COMFYUI_COMMAND is started in place of a
# ComfyUI that would be installed. PYTHON names the Python to build upon.
set -euo pipefail
wheel=$(realpath "${1:?give the wheel: install.sh comfyfleet-….whl}")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=${MACHINE_ROOT:-}
python=${PYTHON:-python3}
worker=$root/opt/worker comfyui=$root/opt/comfyui

say() { echo "install.sh: $*"; }
die() {
    echo "install.sh: $*" >&2
    exit 1
}

check() {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die "$python is older than 3.11: set PYTHON to a newer one"
    [ -n "$root" ] && return
    [ "$(id -u)" -eq 0 ] || die "this needs root"
    # systemd says nothing when it cannot filter, and ComfyUI would reach the machine's role.
    [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] ||
        die "this kernel has no unified control groups, without which ComfyUI cannot be kept from the metadata service"
}

make_users() {
    [ -n "$root" ] && return
    local name
    for name in comfyui worker; do
        id -u "$name" >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin "$name"
    done
    for name in video render; do # the groups of GPUs' devices, where there are such
        if getent group "$name" >/dev/null; then usermod -aG "$name" comfyui; fi
    done
}

install_worker() {
    say "installing the worker"
    mkdir -p "$worker/bin" "$root/usr/local/bin" "$root/var/log"
    [ -x "$worker/venv/bin/pip" ] || "$python" -m venv --clear "$worker/venv"
    local pip=("$worker/venv/bin/python" -m pip --disable-pip-version-check -q install)
    "${pip[@]}" --require-hashes -r "$here/worker.txt"
    "${pip[@]}" --no-deps --force-reinstall "$wheel"
    ln -sfn "$worker/venv/bin/comfyfleet" "$root/usr/local/bin/comfyfleet"
    install -m 755 "$here/boot.sh" "$worker/bin/boot.sh"
}

install_comfyui() {
    mkdir -p "$comfyui/bin" "$comfyui"/{input,output,temp,user,custom_nodes,models}
    install -m 755 "$here/apply-bundle.sh" "$comfyui/bin/apply-bundle.sh"
    local command=${COMFYUI_COMMAND:-}
    if [ -z "$command" ]; then
        say "installing ComfyUI"
        "$worker/venv/bin/comfyfleet" comfyui install --data "$comfyui/program"
        local environment
        environment=$(find "$comfyui/program/comfyui" -maxdepth 1 -name 'venv-*' | sort -V | tail -n 1)
        ln -sfn "$environment" "$comfyui/venv"
        ln -sfn "${environment/venv-/}" "$comfyui/release"
        command="$comfyui/venv/bin/python $comfyui/release/main.py --listen 127.0.0.1 --port 8188"
        command+=" --base-directory $comfyui --max-upload-size 102400 --disable-auto-launch"
        command -v nvidia-smi >/dev/null || command+=" --cpu"
    fi
    printf '#!/bin/sh\nexec %s\n' "$command" >"$comfyui/bin/start-comfyui.sh"
    chmod 755 "$comfyui/bin/start-comfyui.sh"
    # All else is root's: what workflows do cannot change what is installed.
    if [ -z "$root" ]; then chown comfyui:comfyui "$comfyui"/{input,output,temp,user}; fi
}

install_services() {
    say "installing the services"
    mkdir -p "$root/etc/systemd/system" "$root/etc/rsyslog.d" "$root/etc/logrotate.d" "$worker/share"
    install -m 644 "$here"/units/*.service "$root/etc/systemd/system/"
    install -m 644 "$here/comfyfleet-rsyslog.conf" "$root/etc/rsyslog.d/30-comfyfleet.conf"
    install -m 644 "$here/comfyfleet-logrotate.conf" "$root/etc/logrotate.d/comfyfleet"
    install -m 644 "$here/cloudwatch-agent.json" "$worker/share/cloudwatch-agent.json"
    systemctl daemon-reload
    systemctl enable comfyfleet-boot.service comfyfleet-dev-node.service
}

check
make_users
install_worker
install_comfyui
install_services
say "done: comfyfleet $("$worker/venv/bin/comfyfleet" --version | cut -d' ' -f2)"
