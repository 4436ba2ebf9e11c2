#!/bin/sh
# Launches a dev GPU node and prints where its ComfyUI is:
#   ./launch.sh
#   AMI_ID=ami-… FLEET_SLUG=gpu-default STAGE=staging CIDR=203.0.113.7/32 ./launch.sh
# With CIDR, ComfyUI is at http://<public-ip>:8188 for that address; without, `comfyfleet devnode open` leads to it.
# What is given is passed on to `comfyfleet devnode launch`. COMFYFLEET_BIN names the program where it is not on the PATH.
set -eu
program=$(command -v "${COMFYFLEET_BIN:-comfyfleet}") || {
    echo "launch.sh: comfyfleet is not on the PATH; set COMFYFLEET_BIN to it" >&2
    exit 127
}
exec "$program" devnode launch "${FLEET_SLUG:-gpu-default}" --stage "${STAGE:-staging}" \
    ${AMI_ID:+--ami "$AMI_ID"} ${CIDR:+--cidr "$CIDR"} "$@"
