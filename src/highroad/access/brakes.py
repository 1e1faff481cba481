"""How fast passwords can be tried: whose failures count together, how many are free, and how long the wait becomes.

`actions.check_password` asks. A brake that strangers can pull on somebody else would lock that person out, so none
depends on the user alone: failures count for a user from one network, and for a network. Many failures for one user
from anywhere only leave each network a single free attempt; somebody who comes from elsewhere always has that one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

FREE_ATTEMPTS = 5
UNDER_ATTACK = 50
"""Failures for one user, from anywhere, after which a network has one free attempt for that user."""
LONGEST_WAIT = timedelta(minutes=15)
LONGEST_LOCAL_WAIT = timedelta(seconds=30)
"""Everybody on the machine comes from its loopback address, the apps too: they must not keep its people out."""


@dataclass(frozen=True, slots=True)
class Brake:
    """`key` counts the failures; `free` of them cost nothing, further ones double the wait up to `longest`."""

    key: str
    free: int = FREE_ATTEMPTS
    longest: timedelta = LONGEST_WAIT

    def wait(self, failures: int) -> timedelta:
        """How long after the last of so many failures the next attempt may come."""
        if failures < self.free:
            return timedelta(0)
        return min(timedelta(seconds=2 ** min(failures - self.free + 2, 12)), self.longest)


def brakes(email: str, address: str, failures: Callable[[str], tuple[int, datetime] | None]) -> list[Brake]:
    """All that counts an attempt for `email` from `address`. `failures` looks a key's count up."""
    network, local = _network(address)
    anywhere = Brake(f"user:{email[:254]}", longest=timedelta(0))
    count, _ = failures(anywhere.key) or (0, None)
    free = 1 if count >= UNDER_ATTACK else FREE_ATTEMPTS
    pair = Brake(f"pair:{email[:254]} {network}", free, LONGEST_LOCAL_WAIT if local else LONGEST_WAIT)
    return [pair, anywhere] if local else [pair, anywhere, Brake(f"address:{network}")]


def _network(address: str) -> tuple[str, bool]:
    """What one party commands of the address space: an IPv4 address, or the /64 around an IPv6 one. And whether it is
    the machine itself."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:40], address in ("", "local")
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if found.is_loopback:
        return "loopback", True
    if isinstance(found, ipaddress.IPv4Address):
        return str(found), False
    return str(ipaddress.ip_network((int(found), 64), strict=False)), False
