"""What a decision on permission costs: remembered, asked of Cedar anew, and on a list of 10,000 services."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from benchmarks.figures import Figure, percentile
from highroad.access.model import SCOPES, Actor
from highroad.access.permissions import decision, filter_allowed
from highroad.access.places import Place
from highroad.access.policy.engine import Company, Policies, compile_policies
from highroad.access.policy.roles import BUILT_IN
from highroad.access.policy.standing import MODES, Grant, Standing
from highroad.kit.clock import now

TIMES = 2_000
SERVICES = 10_000
WRITTEN = (
    'forbid(principal, action == Action::"deployment:write", resource is Environment in Project::"p1")\n'
    'when { resource.mode == "production" && context.weekday == "xxx" };',
    'forbid(principal in Team::"juniors", action == Action::"secret:read", resource);',
    'permit(principal, action == Action::"log:read", resource)\n'
    "when { resource has team && principal in resource.team };",
    "forbid(principal, action, resource) when { context has risk && context.risk > 90 };",
)
"""What a company with opinions has: they look at who, where, when, and at the deployment."""


def measure() -> list[Figure]:
    own = [Company(f"policy-{number}", 1, text) for number, text in enumerate(WRITTEN)]
    plain, strict = compile_policies(BUILT_IN), compile_policies(BUILT_IN, own)
    return [
        *_single("built-in roles", plain),
        *_single("built-in roles and 4 policies", strict),
        _filtered("project:read", "built-in roles", plain),
        _filtered("project:read", "built-in roles and 4 policies", strict),
        _filtered("deployment:write", "and a policy about one project", strict),
    ]


def _actor(policies: Policies) -> Actor:
    grants = tuple(Grant(f"g{mode}", "user", "u", None, mode, "deployer", now(), "x") for mode in MODES)
    standing = Standing(policies, ("developers", "payments"), grants)
    return Actor("u", "dev@example.com", "user", "api", "member", frozenset(SCOPES), standing=standing)


def _place(number: int) -> Place:
    project, mode = number % 100, MODES[number % 5]
    return Place(f"prj_{project}", f"p{project}", "payments", mode, mode, f"s{number}")


def _single(what: str, policies: Policies) -> list[Figure]:
    actor, place = _actor(policies), _place(1)
    decision(actor, "deployment:write", place)
    warm = _times(lambda place: decision(actor, "deployment:write", place), [place] * TIMES)
    places = [replace(_place(number), environment=f"e{number}") for number in range(TIMES)]

    def asked_anew(place: Place) -> None:
        policies.forget()
        decision(actor, "deployment:write", place)

    cold = _times(asked_anew, places)
    return [_figure(f"a remembered decision, {what}", warm), _figure(f"a decision of Cedar, {what}", cold)]


def _figure(name: str, seconds: list[float]) -> Figure:
    p50, p99 = (percentile(seconds, share) * 1e6 for share in (0.5, 0.99))
    return Figure(
        name=name,
        measured=statistics.median(seconds) * 1e6,
        unit="us",
        target=100,
        split=f"p50 {p50:.1f}, p99 {p99:.1f} us, {len(seconds)} times",
    )


def _filtered(action: str, what: str, policies: Policies) -> Figure:
    """The first time is the one that counts: later ones find everything remembered."""
    places, seconds = [_place(number) for number in range(SERVICES)], []
    for _ in range(5):
        policies.forget()
        actor = _actor(policies)
        began = time.perf_counter()
        found = filter_allowed(actor, action, places, lambda place: place)
        seconds.append(time.perf_counter() - began)
        assert len(found) == SERVICES, "a deployer may do it with them all"
    first = statistics.median(seconds) * 1000
    return Figure(
        name=f"a list of {SERVICES} services by {action}, {what}",
        measured=first,
        unit="ms",
        target=1000,
        split=f"{first * 1000 / SERVICES:.1f} us a service; nothing remembered before",
    )


def _times(act: Callable[[Place], object], over: Iterable[Place]) -> list[float]:
    seconds = []
    for each in over:
        began = time.perf_counter()
        act(each)
        seconds.append(time.perf_counter() - began)
    return seconds
