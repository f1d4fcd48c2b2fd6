"""Which addresses of the network may be connected to."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

PRIVATE = "is not a public address"
_GLOBAL = ipaddress.ip_network("2000::/3")  # all IPv6 addresses assigned to hosts of the internet
_PROTOCOLS = ipaddress.ip_network("192.0.0.0/24")  # some versions of Python take parts of it for public
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # the last 32 bits are an IPv4 address, RFC 6052


class PrivateAddressError(OSError):
    """An address in a private network."""


def is_public(address: str) -> bool:
    """Whether an IP address, and any IPv4 address inside an IPv6 address, belongs to the public internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        carried = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in _NAT64:
            carried.append(ipaddress.IPv4Address(ip.packed[-4:]))
        found = [one for one in carried if one is not None]
        if found:
            return all(is_public(str(one)) for one in found)
        # Python takes some other addresses for public: site-local, IPv4-translated, local NAT64.
        if ip not in _GLOBAL:
            return False
    elif ip in _PROTOCOLS:
        return False
    return ip.is_global and not ip.is_multicast


def guarded_socket(allow_private: bool) -> Callable[[Any], socket.socket]:
    """Returns the function that makes a client's sockets: it sees each connection's address, however a name resolves.

    Raises:
        PrivateAddressError: when called, for an address that is not public.
    """

    def make(addr_info: Any) -> socket.socket:
        family, kind, protocol, _, address = addr_info
        if not allow_private and not is_public(address[0]):
            raise PrivateAddressError(f"{address[0]} {PRIVATE}")
        return socket.socket(family, kind, protocol)

    return make
