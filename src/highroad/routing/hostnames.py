"""Host names: the one every service gets, and the domains that people bring. `projects` and `deployments` call it.

Both come out in one canonical form (lower case, A-labels, no trailing dot), because the router matches hosts exactly
and two spellings of one name must not become two routes.
"""

from __future__ import annotations

import ipaddress
import re

import idna

from highroad.errors import FieldError, Invalid
from highroad.kit.names import is_label, require_label

LONGEST = 253  # octets of a name in presentation form, RFC 1035, 2.3.4


class BadDomain(Invalid):
    code = "bad-domain"
    title = "This domain cannot be routed"


def service_host(service: str, environment: str, project: str, domain: str) -> str:
    """`SERVICE.ENVIRONMENT.PROJECT.DOMAIN`. Raises `NotALabel` or, when the whole is too long, `BadDomain`."""
    labels = (("service", service), ("environment", environment), ("project", project))
    host = ".".join([*(require_label(name, field=field) for field, name in labels), domain.lower()])
    if len(host) > LONGEST:
        raise _bad(host, f"is {len(host)} characters long; a host name has at most {LONGEST}", "Choose shorter names.")
    return host


def own_domain(text: str, *, platform: str) -> str:
    """The canonical form of a domain that somebody wants for a service, e.g. `shop.example.org` or `*.example.org`.

    `platform` is the installation's own domain, below which names are given out by Highroad alone. Raises `BadDomain`.
    """
    given = text.strip().removesuffix(".")
    wildcard, rest = ("*.", given[2:]) if given.startswith("*.") else ("", given)
    _refuse_what_is_no_name(text, given, rest)
    try:
        name = idna.encode(rest, uts46=True, transitional=False).decode("ascii").lower()
    except idna.IDNAError as error:
        raise _bad(text, f"is not a domain name: {error}", "Check the spelling.") from error
    _refuse_unroutable(text, name, platform.lower(), wildcard)
    return wildcard + name


def is_host(host: str) -> bool:
    """Whether the router can match `host`: labels and dots, perhaps one leading `*.`; never a port, brace or space."""
    labels = host.removeprefix("*.").split(".")
    return len(host) <= LONGEST and all(is_label(label) for label in labels)


def _refuse_what_is_no_name(text: str, given: str, rest: str) -> None:
    if re.search(r"[/:@?#\s]", given):
        raise _bad(text, "is more than a domain name", "Leave out the scheme, port and path: shop.example.org")
    if "*" in rest:
        raise _bad(text, "has '*' in a place other than the first label", "Write *.example.org, or one full name.")
    try:
        ipaddress.ip_address(rest)
    except ValueError:
        return
    raise _bad(text, "is an address, not a name", "Use a domain name that points to this machine.")


def _refuse_unroutable(text: str, name: str, platform: str, wildcard: str) -> None:
    labels = name.split(".")
    if not all(is_label(label) for label in labels) or labels[-1].isdigit():
        raise _bad(text, "is not a domain name", "Use labels of letters, digits and '-', such as shop.example.org.")
    if len(labels) < 2:
        raise _bad(text, "has only one label", "Use a full name such as shop.example.org.")
    if len(wildcard + name) > LONGEST:
        raise _bad(text, f"is longer than {LONGEST} characters", "Use a shorter name.")
    own = {platform, "localhost"}
    if any(name == each or name.endswith(f".{each}") for each in own) or (wildcard and platform.endswith(f".{name}")):
        raise _bad(text, f"belongs to this installation ({platform})", "Use a domain of your own.")


def _bad(text: str, what: str, next_step: str) -> BadDomain:
    shown = text[:80]
    return BadDomain(f"{shown!r} {what}.", next_step=next_step, errors=[FieldError("/domain", what)])
