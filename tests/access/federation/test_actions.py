"""Sign-in by a provider and exchanges as the databases see them, on SQLite and on PostgreSQL."""

from __future__ import annotations

import time
from typing import Any

import pytest

from highroad.access import invitation_actions, teams, user_actions
from highroad.access import store as users
from highroad.access.federation import actions, store
from highroad.access.federation.failures import ProviderNotVouched, StaleSignIn
from highroad.access.federation.model import GroupRule, Person, Provider
from highroad.access.model import SCOPES, SYSTEM, Actor
from highroad.access.trust import actions as trust
from highroad.access.trust.failures import ExchangeRefused
from highroad.access.trust.model import GITHUB, Condition
from highroad.db.engine import Database
from highroad.db.keys import reseal, rotate
from highroad.events.log import EventLog
from highroad.kit.ids import new_id
from tests.world import People

ADMINISTRATOR = Actor("usr_x", "mallory@example.com", "user", "api", "admin", frozenset(SCOPES))
GRACE = Person("sub-1", "grace@example.com", True, "Grace", ("web",))


def set_up(db: Database, log: EventLog, name: str = "company") -> Provider:
    with db.begin() as tx:
        return actions.add_provider(
            tx,
            log,
            SYSTEM,
            name=name,
            issuer="https://login.example.com",
            client_id="highroad",
            secret="s3cret",
            creates_users=True,
            domains=["example.com"],
            group_claim="groups",
            groups=(GroupRule("*", "*"),),
        )


def test_an_attempt_is_taken_once_and_by_its_browser_alone(db: Database, log: EventLog) -> None:
    company, other = set_up(db, log), set_up(db, log, "other")
    with db.begin() as tx:
        attempt = actions.begin(tx, company, next="/", browser=None, address="10.0.0.1")
        for provider, browser in ((company, "x"), (company, None), (other, attempt.browser)):
            with pytest.raises(StaleSignIn):
                actions.take(tx, provider, state=attempt.state, browser=browser)
        taken = actions.take(tx, company, state=attempt.state, browser=attempt.browser)
        assert (taken.nonce, taken.verifier) == (attempt.nonce, attempt.verifier)
        with pytest.raises(StaleSignIn):
            actions.take(tx, company, state=attempt.state, browser=attempt.browser)


def test_nothing_that_is_stored_of_an_attempt_finishes_it(db: Database, log: EventLog) -> None:
    company = set_up(db, log)
    with db.begin() as tx:
        attempt = actions.begin(tx, company, next="/", browser=None, address="10.0.0.1")
        (kept,) = tx.execute(store.attempts.select()).mappings()
    secrets = {attempt.state, attempt.browser, attempt.nonce, attempt.verifier, attempt.challenge}
    assert len(secrets) == 5
    assert not secrets & {str(each) for each in kept.values()}


def test_a_removed_provider_takes_its_identities_sessions_and_memberships_along(db: Database, log: EventLog) -> None:
    company = set_up(db, log)
    with db.begin() as tx:
        team = teams.add_team(tx, name="web", title="Web", parent=None)
        user = actions.recognise(tx, log, company, GRACE)
        session = actions.start_session(
            tx, log, company, user, logout_url="https://login.example.com/out", address="", agent=""
        )
        assert store.way_out(tx, session.secret) == ("company", "https://login.example.com/out")
        assert [each.user for each in teams.members(tx, team.id)] == [user.id]
        actions.remove_provider(tx, log, SYSTEM, "company")
    with db.read() as tx:
        assert store.identities_of(tx, user.id) == []
        assert store.way_out(tx, session.secret) is None
        assert teams.members(tx, team.id) == []
        assert users.user(tx, user.id) is not None


@pytest.mark.parametrize("role", ["owner", "admin", "auditor"])
def test_an_administrators_own_provider_is_nobody_above_members(db: Database, log: EventLog, role: str) -> None:
    options: dict[str, Any] = {"name": "own", "issuer": "https://own.example.com", "client_id": "x"}
    with db.begin() as tx:
        user_actions.create_user(tx, log, SYSTEM, email=GRACE.email or "", name="Grace", role=role)
        own = actions.add_provider(tx, log, ADMINISTRATOR, **options, domains=["example.com"])
        with pytest.raises(ProviderNotVouched, match="no owner vouches"):
            actions.recognise(tx, log, own, GRACE)
        assert not actions.change_provider(tx, log, SYSTEM, "own", {"active": True}, secret=None).vouched
        vouched = actions.change_provider(tx, log, SYSTEM, "own", {"domains": ("example.com",)}, secret=None)
        assert actions.recognise(tx, log, vouched, GRACE).role == role


def test_an_administrator_turns_no_owners_provider_on_owners(db: Database, log: EventLog, people: People) -> None:
    set_up(db, log)
    ada = Person("sub-2", people.admin.email, True, "Ada", ())
    with db.begin() as tx:
        named = actions.change_provider(tx, log, ADMINISTRATOR, "company", {"title": "Ours"}, secret="another")
        assert named.vouched
        changed = actions.change_provider(tx, log, ADMINISTRATOR, "company", {"email_trust": "always"}, secret=None)
        with pytest.raises(ProviderNotVouched):
            actions.recognise(tx, log, changed, ada)


def test_an_invitation_above_members_and_a_risen_member_need_a_vouched_provider(db: Database, log: EventLog) -> None:
    with db.begin() as tx:
        own = actions.add_provider(
            tx, log, ADMINISTRATOR, name="own", issuer="https://own.example.com", client_id="x", creates_users=True
        )
        invitation_actions.invite(tx, log, SYSTEM, email="eve@example.com", role="owner")
        with pytest.raises(ProviderNotVouched):
            actions.recognise(tx, log, own, Person("sub-3", "eve@example.com", True, "Eve", ()))
        user = actions.recognise(tx, log, own, GRACE)
        user_actions.change_user(tx, log, SYSTEM, user.id, role="owner")
        with pytest.raises(ProviderNotVouched):
            actions.recognise(tx, log, own, GRACE)


def test_client_secrets_are_sealed_anew_when_keys_are_rotated(db: Database, log: EventLog) -> None:
    company = set_up(db, log)
    with db.begin() as tx:
        rotate(tx)
    assert reseal(db) == 1
    with db.read() as tx:
        assert store.secret_of(tx, company.id) == "s3cret"


def test_a_jobs_token_is_spent_once(db: Database, log: EventLog) -> None:
    claims = {"sub": "repo:acme/shop", "exp": time.time() + 300, "jti": "one"}
    with db.begin() as tx:
        users.add_user(tx, id=new_id("usr"), email="pipeline", name="Pipeline", kind="service")
        conditions = [Condition("repository", "acme/shop")]
        rule = trust.add_rule(
            tx, log, SYSTEM, name="main", issuer=GITHUB, audience="x", conditions=conditions, account="pipeline"
        )
        token, secret = trust.exchange(tx, log, rule.id, claims, "a.b.c", address="")
    assert (token.scopes, secret.startswith("hr_")) == (("read", "write"), True)
    with db.begin() as tx, pytest.raises(ExchangeRefused):
        trust.exchange(tx, log, rule.id, claims, "a.b.c", address="")
