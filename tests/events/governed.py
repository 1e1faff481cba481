"""What a life has of rules about who may do what, and of looks into the audit log and where it is sent."""

from __future__ import annotations

import pytest

from highroad.access import company_policies, custom_roles, granting, refusals, user_actions
from highroad.access.model import SYSTEM, Actor
from highroad.access.permissions import NotAllowed, require
from highroad.access.places import ORGANIZATION
from highroad.audit import destinations, reads
from highroad.audit.search import Query
from highroad.web.context import Context


def make_rules(context: Context) -> None:
    log = context.log
    with context.db.begin() as tx:
        user = user_actions.create_user(tx, log, SYSTEM, email="lin@example.com", name="Lin")
        custom_roles.create(tx, log, SYSTEM, name="reader", description="", actions=frozenset({"log:read"}))
        custom_roles.change(tx, log, SYSTEM, "reader", description="Reads logs.")
        holder = granting.find_holder(tx, "user", user.email)
        given = granting.grant(tx, log, SYSTEM, holder=holder, place=ORGANIZATION, mode=None, role="viewer")
        granting.withdraw(tx, log, SYSTEM, given.id, ORGANIZATION)
        custom_roles.delete(tx, log, SYSTEM, "reader")
        text = 'forbid(principal, action == Action::"gate:pass", resource);'
        company_policies.apply(tx, log, SYSTEM, name="no-glass", text=text)
        company_policies.disable(tx, log, SYSTEM, name="no-glass")
        company_policies.delete(tx, log, SYSTEM, name="no-glass")
    refused = Actor(user.id, user.email, "user", "api", scopes=frozenset({"write", "read"}))
    with pytest.raises(NotAllowed) as error:
        require(refused, "project:write", ORGANIZATION)
    refusals.refused(context.db, log, refused, error.value)


def look_into_the_log(context: Context) -> None:
    db, log = context.db, context.log
    reads.require_and_record_search(db, log, SYSTEM, Query(actor="ada@example.com"))
    reads.require_and_record_export(db, log, SYSTEM, Query(), "csv")
    reads.require_and_record_review(db, log, SYSTEM, {"action": "deployment:write"})
    with db.begin() as tx:
        made, _ = destinations.create_destination(tx, log, SYSTEM, name="siem", url="http://siem.example.com/in")
        destinations.change_destination(tx, log, SYSTEM, made.id, {"mode": "binary"})
        destinations.begin_test(tx, log, SYSTEM, made.id)
        destinations.remove_destination(tx, log, SYSTEM, made.id)
