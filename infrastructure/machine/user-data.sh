#!/bin/sh
# What a new machine of a fleet is told: the values that the stack puts between the two marks. They are kept, so that
# the boot service of the image finds them at every later start, too. MACHINE_ROOT moves all paths, for trials.
set -eu
root=${MACHINE_ROOT:-}
mkdir -p "$root/opt/worker" "$root/var/log"
umask 077
cat >"$root/opt/worker/boot.env" <<'END_OF_VALUES'
@VALUES@
END_OF_VALUES
boot=$root/opt/worker/bin/boot.sh
if [ ! -x "$boot" ]; then
    echo "This image was not baked for a fleet: it has no $boot. Run: comfyfleet fleets bake" >>"$root/var/log/comfyui-asset-sync.log"
    exit 0
fi
exec "$boot"
