# Proves that ComfyUI, as its unit runs it here, reaches neither the machine's role nor the worker's token, and that root
# reaches both, without which it would prove nothing. It needs $service, $install_root, $secret and $comfyui.
set -uo pipefail
metadata=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}
metadata=${metadata%/}
name=comfyui-isolation.service
unit=/etc/systemd/system/$name
probe=$install_root/bin/isolation-probe.sh
ttl='X-aws-ec2-metadata-token-ttl-seconds: 60'

refuse() {
    echo "$*"
    exit 1
}

clean() {
    rm -f "$unit" "$probe" ${decoy:+"$decoy"}
    systemctl reset-failed "$name" >/dev/null 2>&1
    systemctl daemon-reload
}
trap clean EXIT

token=$(curl -fsS --max-time 5 -X PUT -H "$ttl" "$metadata/latest/api/token") &&
    curl -fsS --max-time 5 -H "X-aws-ec2-metadata-token: $token" "$metadata/latest/meta-data/instance-id" >/dev/null ||
    refuse "The metadata service does not answer root, so nothing can be proved: it has to be on (HttpEndpoint=enabled)."
if [ ! -e "$secret" ]; then
    decoy=$secret
    (umask 077 && mkdir -p "$(dirname "$secret")" && echo "of the proof alone" >"$secret")
fi
[ -s "$secret" ] || refuse "Root cannot read $secret, so nothing can be proved."

# What ends with 0 was kept from both. Any answer counts as one that was reached, and only a connection that did not come
# about as one that was not; that it gets ComfyUI's own answer shows that it can ask at all.
cat >"$probe" <<END
[ "\$(id -u)" -ne 0 ] || exit 10
curl -s -o /dev/null --max-time 10 "$comfyui/system_stats" || exit 11
head -c 1 "$secret" >/dev/null 2>&1 && exit 12
for address in "$metadata" "http://[fd00:ec2::254]"; do
    code=0
    curl -s -o /dev/null --max-time 5 -X PUT -H "$ttl" "\$address/latest/api/token" || code=\$?
    case \$code in
    0) exit 13 ;;
    7 | 28) ;;
    *) exit 14 ;;
    esac
done
END
chmod 755 "$probe"

# ComfyUI's unit with all that was added to it, and another program.
systemctl cat "$service" >"$unit" || refuse "systemd does not tell how it runs $service, so nothing can be proved."
printf '\n[Service]\nType=oneshot\nRestart=no\nExecStart=\nExecStart=/bin/bash %s\n' "$probe" >>"$unit"
systemctl daemon-reload
systemctl start "$name" && echo "ComfyUI reaches neither the machine's role nor $secret." && exit 0
code=$(systemctl show --property ExecMainStatus --value "$name")
mend="See 'systemctl cat $service' on a machine of the base image, or take another base image."
case $code in
10) refuse "ComfyUI would run as root. $mend" ;;
12) refuse "ComfyUI can read $secret, where the worker's token will be. $mend" ;;
13) refuse "ComfyUI reaches the metadata service, and so the machine's role: IPAddressDeny has no effect. $mend" ;;
*)
    journalctl -u "$name" -n 10 --no-pager
    refuse "Whether ComfyUI is kept from the machine's role was not to be found out ($code). $mend"
    ;;
esac
