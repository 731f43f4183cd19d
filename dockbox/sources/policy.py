"""Which hosts may be connected to.  What is checked is the address, not the name."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from ..errors import FetchFailed, SourceForbidden
from .base import Deadline
from .hub import lookup
from .url import DEFAULT_PORTS

UNICAST = ip_network("2000::/3")  # all that is given out of IPv6
# What the library's own table, which differs from version to version, may take for global:
# protocols (a cloud's metadata among them), relays, documentation, addresses that lead, or may
# lead, to an IPv4 address of any kind, and the door to Azure's machines, which is inside each.
NEVER = tuple(
    ip_network(net)
    for net in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3", "168.63.129.16/32",
        "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    )
)  # fmt: skip


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether ``address`` is global unicast and no IPv4 address in disguise."""
    if isinstance(address, IPv6Address) and address not in UNICAST:
        return False
    return address.is_global and not any(address in net for net in NEVER)


@dataclass(frozen=True)
class Policy:
    """Where sources may come from.

    ``private_sources`` are hosts, ``host:port`` or CIDRs allowed although not public; ``cafile``
    is a PEM file of certificate authorities to trust instead of the system's.
    """

    private_sources: tuple[str, ...] = ()
    cafile: str | None = None

    def resolve(
        self, host: str, port: int | None, scheme: str, deadline: Deadline | None = None
    ) -> list[str]:
        """The addresses of ``host`` that may be connected to, all of them checked.

        Raises ``SourceForbidden`` when any is not allowed, ``FetchFailed`` when there is none
        and ``FetchTimeout``.
        """
        if scheme not in DEFAULT_PORTS:
            raise SourceForbidden("Sources come over https or ssh only.")
        number = port or DEFAULT_PORTS[scheme]
        named = self._named(host, number)
        try:
            found = lookup(host, number, deadline)
        except (OSError, UnicodeError):
            raise FetchFailed(f"The host {host} cannot be found.") from None
        addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
        private = named or all(self._listed(address) for address in addresses)
        for address in addresses:
            if not (named or self._listed(address) or self._public(address)):
                raise SourceForbidden(f"The host {host} is not on the public internet.")
        if not private and scheme == "http":
            raise SourceForbidden("Sources come over https, not plain http.")
        if not private and number != DEFAULT_PORTS[scheme]:
            raise SourceForbidden(f"Port {number} is not allowed for sources.")
        if not addresses:
            raise FetchFailed(f"The host {host} cannot be found.")
        return addresses

    def _named(self, host: str, port: int) -> bool:
        name = host.lower().rstrip(".")
        allowed = {item.lower().rstrip(".") for item in self.private_sources}
        return bool({name, f"{name}:{port}", f"[{name}]:{port}"} & allowed)

    def _listed(self, address: str) -> bool:
        ip = ip_address(address.partition("%")[0])
        nets = [ip_network(item, strict=False) for item in self.private_sources if "/" in item]
        return any(ip.version == net.version and ip in net for net in nets)

    @staticmethod
    def _public(address: str) -> bool:
        return "%" not in address and is_public(ip_address(address))
