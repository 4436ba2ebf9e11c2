#!/bin/sh
# What a machine of a fleet does at every start: the bundle that its fleet points to, then ComfyUI and the worker.
# It reads what user-data.sh left in boot.env, asks the machine's metadata who it is, and runs `comfyfleet machine boot`,
# whose exit codes these are. MACHINE_ROOT moves all paths, for trials; COMFYFLEET_BIN names the program.
set -eu
root=${MACHINE_ROOT:-}
export INSTALL_ROOT="${INSTALL_ROOT:-$root/opt/comfyui}"
export ASSET_SYNC_LOG="${ASSET_SYNC_LOG:-$root/var/log/comfyui-asset-sync.log}"
export WORKER_ENVIRONMENT="${WORKER_ENVIRONMENT:-$root/opt/worker/env}"
mkdir -p "$(dirname "$ASSET_SYNC_LOG")"

say() {
    echo "boot.sh: $*" >&2
    echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) boot.sh: $*" >>"$ASSET_SYNC_LOG"
}

set -a
# shellcheck source=/dev/null
. "$root/opt/worker/boot.env"
set +a

metadata=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}
ask() { curl -fsS --retry 5 --retry-connrefused --max-time 5 "$@"; }
if [ -z "${WORKER_ID:-}" ]; then
    if ! token=$(ask -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "${metadata%/}/latest/api/token") ||
        ! WORKER_ID=$(ask -H "X-aws-ec2-metadata-token: $token" "${metadata%/}/latest/meta-data/instance-id"); then
        say "the metadata service does not say which machine this is"
        exit 4
    fi
    export WORKER_ID
fi

# Its logs go to the fleet's log group, where CloudWatch's agent is on the image.
agent=/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl
if [ -z "$root" ] && [ -x "$agent" ]; then
    sed "s|@LOG_GROUP@|/comfyfleet/$STAGE/$FLEET_SLUG|" /opt/worker/share/cloudwatch-agent.json >/run/comfyfleet-agent.json
    "$agent" -a fetch-config -m ec2 -s -c file:/run/comfyfleet-agent.json >/dev/null 2>&1 ||
        say "the CloudWatch agent did not start: logs stay on this machine"
fi

program=$(command -v "${COMFYFLEET_BIN:-comfyfleet}") || {
    say "comfyfleet is not on the PATH; set COMFYFLEET_BIN to it"
    exit 127
}

# A store or a service of AWS that does not answer may do so soon; whatever else is wrong needs a person.
for pause in ${BOOT_PAUSES:-5 20 60 180}; do
    code=0
    "$program" machine boot || code=$?
    [ "$code" -eq 4 ] || exit "$code"
    say "trying again in $pause seconds"
    sleep "$pause"
done
exec "$program" machine boot
