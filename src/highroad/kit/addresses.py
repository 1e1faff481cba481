"""Addresses that nothing outside is asked at, whoever names them. Destinations of the audit log, external stores and
identity providers are set up by administrators, and a company has those in its own network, so private and loopback
addresses are allowed. Refused is what none of them ever has and what an attacker wants: link-local addresses, among
them the metadata services of clouds, multicast, and what is no address of a host.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_METADATA = tuple(
    ip_network(each)
    for each in ("fd00:ec2::/32", "100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32", "fd20:ce::254/128")
)
"""Metadata services of clouds that are not link-local: Amazon on IPv6, Alibaba, Oracle, Azure, Google on IPv6."""
_NAT64 = ip_network("64:ff9b::/96")


def refusal(address: str) -> str:
    """Why this address is not connected to; empty when it may be."""
    ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if inner is not None:
            return refusal(str(inner))
    if any(ip in network for network in _METADATA):
        return "where a cloud keeps its metadata service"
    if ip.is_link_local:
        return "a link-local address, where clouds keep their metadata service"
    if ip.is_multicast:
        return "a multicast address"
    if ip.is_unspecified or (ip.is_reserved and not ip.is_loopback):
        return "no address of a host"
    return ""


def literal_refusal(host: str) -> str:
    """As `refusal`, of a host that is written as an address; empty for a name, which is resolved first."""
    try:
        return refusal(host)
    except ValueError:
        return ""
