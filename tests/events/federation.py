"""What a life has of other people's providers: sign-in, and jobs that ask for a token."""

from __future__ import annotations

import time

from highroad.access import store, teams
from highroad.access.federation import actions as providers
from highroad.access.federation.model import GroupRule, Person
from highroad.access.model import SYSTEM
from highroad.access.trust import actions as trust
from highroad.access.trust.failures import ExchangeRefused
from highroad.access.trust.model import GITHUB, Condition
from highroad.db.engine import Transaction
from highroad.kit.ids import new_id
from highroad.web.context import Context


def believe_others(context: Context) -> None:
    log = context.log
    person = Person("sub-1", "grace@example.com", True, "Grace", ("web",))
    with context.db.begin() as tx:
        provider = providers.add_provider(
            tx,
            log,
            SYSTEM,
            name="company",
            issuer="https://login.example.com",
            client_id="highroad",
            creates_users=True,
            group_claim="groups",
            groups=(GroupRule("*", "*"),),
        )
        teams.add_team(tx, name="web", title="Web", parent=None)
        providers.recognise(tx, log, provider, person)
        providers.change_provider(tx, log, SYSTEM, "company", {"creates_users": False}, secret=None)
        providers.remove_provider(tx, log, SYSTEM, "company")
        _trust_jobs(context, tx)


def _trust_jobs(context: Context, tx: Transaction) -> None:
    log, claims = context.log, {"sub": "repo:acme/shop", "exp": time.time() + 60, "jti": "1"}
    store.add_user(tx, id=new_id("usr"), email="pipeline", name="Pipeline", kind="service")
    rule = trust.add_rule(
        tx,
        log,
        SYSTEM,
        name="main",
        issuer=GITHUB,
        audience="highroad",
        conditions=[Condition("repository", "acme/shop")],
        account="pipeline",
    )
    trust.change_rule(tx, log, SYSTEM, "main", {"minutes": 5})
    trust.exchange(tx, log, rule.id, claims, "a.b.c", address="10.0.0.1")
    refused = ExchangeRefused("No rule.", next_step="Write one.", claims=claims, unmet={"main": ["ref=x"]})
    trust.note_refusal(tx, log, refused, issuer=GITHUB, address="10.0.0.1")
    trust.remove_rule(tx, log, SYSTEM, "main")
