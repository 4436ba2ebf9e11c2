"""Which addresses are read from."""

from ipaddress import ip_address, ip_network

import pytest

from comfyfleet.server.assets.remote.errors import RemoteAddressRefused, RemoteUnavailable
from comfyfleet.server.assets.remote.guard import Guard, is_public, resolve_by_system

from .conftest import resolving

PRIVATE = [
    "0.0.0.0", "0.1.2.3",  # noqa: S104 - nothing is bound
    "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.8.8.8", "168.63.129.16",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::a00:1", "64:ff9b::808:808",
    "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:a00:1::", "2002:808:808::", "3fff::1", "5f00::1",
    "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "4000::1",
]  # fmt: skip


@pytest.mark.parametrize("text", PRIVATE)
def test_addresses_that_are_not_public_are_known(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", ["8.8.8.8", "99.84.238.1", "172.32.0.1", "2606:4700::6810:1", "2a03:2880::1"])
def test_public_addresses_are_known(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize("text", PRIVATE)
async def test_a_host_with_one_address_that_is_not_public_is_refused(text: str) -> None:
    guard = Guard(resolve=resolving(models_example=[f"8.8.8.8 {text}"]))
    with pytest.raises(RemoteAddressRefused, match="public internet"):
        await guard.addresses_of("https", "models.example", 443)


@pytest.mark.parametrize("name", ["localhost", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "::1"])
async def test_other_ways_to_write_this_machine_are_refused(name: str) -> None:
    with pytest.raises(RemoteAddressRefused):
        await Guard().addresses_of("https", name, 443)


async def test_a_public_host_is_read_by_https_on_its_own_port_only() -> None:
    guard = Guard(resolve=resolving(models_example=["8.8.8.8 2606:4700::1"]))
    assert await guard.addresses_of("https", "models.example", 443) == ["8.8.8.8", "2606:4700::1"]
    for scheme, port in (("http", 80), ("https", 22), ("https", 6379)):
        with pytest.raises(RemoteAddressRefused, match="https URL without a port"):
            await guard.addresses_of(scheme, "models.example", port)


async def test_an_allowed_network_is_read_by_http_on_any_port_and_others_stay_closed() -> None:
    guard = Guard([ip_network("10.1.0.0/16")], resolve=resolving(in_example=["10.1.2.3"], out_example=["10.2.0.1"]))
    assert await guard.addresses_of("http", "in.example", 8080) == ["10.1.2.3"]
    with pytest.raises(RemoteAddressRefused):
        await guard.addresses_of("https", "out.example", 443)


async def test_the_addresses_of_a_clouds_credentials_are_never_open() -> None:
    every = [ip_network("0.0.0.0/0"), ip_network("::/0")]
    guard = Guard(every, resolve=resolving(a_example=["169.254.169.254"], b_example=["fd00:ec2::254"]))
    for name in ("a.example", "b.example"):
        with pytest.raises(RemoteAddressRefused):
            await guard.addresses_of("http", name, 80)


async def test_a_name_without_addresses_is_told() -> None:
    for guard, name in ((Guard(resolve=resolving()), "nowhere.example"), (Guard(), "a..b")):
        with pytest.raises(RemoteUnavailable, match="has no address"):
            await guard.addresses_of("https", name, 443)


async def test_the_system_knows_this_machine() -> None:
    assert "127.0.0.1" in await resolve_by_system("127.0.0.1", 443)
