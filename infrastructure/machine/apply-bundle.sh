#!/bin/sh
# Applies a bundle to this machine:
#   MODELS_BUCKET=… BUNDLE_PREFIX=bundles/<id> apply-bundle.sh
# INSTALL_ROOT moves the root, which is /opt/comfyui. What is given is passed on to `comfyfleet machine apply`, whose
# exit codes these are. COMFYFLEET_BIN names the program where it is not on the PATH.
set -eu
: "${BUNDLE_PREFIX:?is not set: give it as bundles/<id>}"
program=$(command -v "${COMFYFLEET_BIN:-comfyfleet}") || {
    echo "apply-bundle.sh: comfyfleet is not on the PATH; set COMFYFLEET_BIN to it" >&2
    exit 127
}
exec "$program" machine apply "$@"
