"""Which addresses may be read from: those of the public internet, and of networks that a setting allows.

A host's addresses are judged when a connection is made, and the connection goes to one that was judged: a name that
answers otherwise the next time (DNS rebinding) gains nothing.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from comfyfleet.server.assets.remote.errors import RemoteAddressRefused, RemoteUnavailable

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_RESOLVE_SECONDS: Final = 10.0
_PORTS: Final = frozenset({80, 443})
_METADATA: Final = frozenset(
    map(ip_address, ("169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23"))
)
"""Where clouds give an instance its credentials; no setting opens these."""

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
# From the IANA registries of special-purpose addresses; the standard library's `is_global` misses some of them.
_SPECIAL: Final = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
            "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
            "168.63.129.16/32",  # Azure's host
            "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
        ),
    )
)  # fmt: skip


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """Return all addresses of a host, as the system knows them; raise `OSError` for none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


class Guard:
    """Judges hosts. Hosts in `allowed` networks may be read over plain http and on any port."""

    def __init__(self, allowed: Sequence[Network] = (), *, resolve: Resolve = resolve_by_system) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolve

    async def addresses_of(self, scheme: str, host: str, port: int) -> list[str]:
        """Return the addresses of a host, each of which may be read from.

        Raises:
            RemoteAddressRefused: One of them may not, or not in this way.
            RemoteUnavailable: The name has none.
        """
        addresses = [_parse(host, text) for text in await self._resolved(host, port)]
        for address in addresses:
            self._check(scheme, host, port, address)
        return [str(address) for address in addresses]

    async def _resolved(self, host: str, port: int) -> Sequence[str]:
        hint = "Check the URL, and that this machine reaches the internet."
        try:
            async with asyncio.timeout(_RESOLVE_SECONDS):
                found = await self._resolve(host, port)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise RemoteUnavailable(f"The host '{host[:200]}' has no address.", hint=hint) from error
        if not found:
            raise RemoteUnavailable(f"The host '{host[:200]}' has no address.", hint=hint)
        return found

    def _check(self, scheme: str, host: str, port: int, address: Address) -> None:
        if address not in _METADATA and any(address in network for network in self._allowed):
            return
        if not is_public(address):
            raise RemoteAddressRefused(
                f"The host '{host}' has the address {address}, which is not on the public internet.",
                hint="Give a public URL, or allow its network with IMPORT_ALLOWED_NETWORKS.",
            )
        if scheme != "https" or port not in _PORTS:
            raise RemoteAddressRefused(
                f"'{scheme}://{host}:{port}' is not read from.", hint="Give an https URL without a port of its own."
            )


def is_public(address: Address) -> bool:
    """Tell whether an address is on the public internet, by itself: none that stands for another address is."""
    if any(address in network for network in _SPECIAL):
        return False
    return address.is_global and (isinstance(address, IPv4Address) or address in _GLOBAL_UNICAST)


def _parse(host: str, text: str) -> Address:
    try:
        return ip_address(text)
    except ValueError as error:
        raise RemoteAddressRefused(f"The host '{host}' has no usable address.", hint="Check the URL.") from error
