"""Tokens, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from highroad.access import secrets, store, token_actions, user_actions
from highroad.access.model import Actor
from highroad.access.permissions import NotAllowed
from highroad.access.secrets import digest
from highroad.access.token_actions import BadToken, NoSuchToken
from highroad.db.engine import Database
from highroad.errors import Invalid
from highroad.events.log import EventLog
from highroad.kit.clock import now, rfc3339
from tests.access.coming_in import came_in, issue, types
from tests.world import MEMBER, People, actor_of


def test_a_token_is_its_user_with_its_scopes(db: Database, log: EventLog, people: People) -> None:
    id, secret = issue(db, log, people.member, "read")
    actor = came_in(db, secret)
    assert (actor.name, actor.token, actor.scopes, actor.admin) == (MEMBER, id, frozenset({"read"}), False)


def test_a_token_is_kept_only_as_its_hash(db: Database, log: EventLog, people: People) -> None:
    _, secret = issue(db, log, people.member)
    with db.read() as tx:
        found = store.token_by_digest(tx, digest(secret))
    assert found is not None
    assert secret not in str(found)


@pytest.mark.parametrize(
    ("secret", "said"),
    [("hello", "not a Highroad token"), ("hr_" + "a" * 38, "mistyped"), ("hr_", "mistyped")],
)
def test_what_is_no_token_is_told_apart_from_a_mistyped_one(db: Database, secret: str, said: str) -> None:
    with pytest.raises(BadToken, match=said):
        came_in(db, secret)


def test_an_unknown_token_is_refused(db: Database) -> None:
    with pytest.raises(BadToken, match="unknown here"):
        came_in(db, secrets.new_token())


def test_a_token_ends_when_it_expires(db: Database, log: EventLog, people: People) -> None:
    id, secret = issue(db, log, people.member)
    with db.begin() as tx:
        past = rfc3339(now() - timedelta(seconds=1))
        tx.execute(update(store.tokens).where(store.tokens.c.id == id).values(expires_at=past))
    with pytest.raises(BadToken, match="expired"):
        came_in(db, secret)


def test_a_token_without_an_end_never_expires(db: Database, log: EventLog, people: People) -> None:
    _, secret = issue(db, log, people.member, days=None)
    assert came_in(db, secret).id == people.member.id


def test_a_revoked_token_is_refused_at_once(db: Database, log: EventLog, people: People, member: Actor) -> None:
    id, secret = issue(db, log, people.member)
    with db.begin() as tx:
        token_actions.revoke_token(tx, log, member, id)
    with pytest.raises(BadToken, match="revoked"):
        came_in(db, secret)


def test_a_token_is_revoked_once(db: Database, log: EventLog, people: People, member: Actor) -> None:
    id, _ = issue(db, log, people.member)
    with db.begin() as tx:
        token_actions.revoke_token(tx, log, member, id)
    with pytest.raises(NoSuchToken), db.begin() as tx:
        token_actions.revoke_token(tx, log, member, id)


def test_a_member_revokes_nobody_elses_token_and_learns_of_none(
    db: Database, log: EventLog, people: People, member: Actor
) -> None:
    id, secret = issue(db, log, people.admin)
    with pytest.raises(NoSuchToken), db.begin() as tx:
        token_actions.revoke_token(tx, log, member, id)
    with pytest.raises(NotAllowed), db.read() as tx:
        token_actions.every_token(tx, member)
    assert came_in(db, secret)


def test_an_administrator_sees_and_ends_everybodys_tokens(
    db: Database, log: EventLog, people: People, admin: Actor
) -> None:
    id, secret = issue(db, log, people.member)
    with db.begin() as tx:
        assert id in {token.id for token, user in token_actions.every_token(tx, admin) if user == people.member}
        token_actions.revoke_token(tx, log, admin, id)
    with pytest.raises(BadToken, match="revoked"):
        came_in(db, secret)


def test_a_token_is_not_issued_to_somebody_who_was_just_deactivated(
    db: Database, log: EventLog, people: People, admin: Actor, member: Actor
) -> None:
    with db.begin() as tx:
        user_actions.change_user(tx, log, admin, people.member.id, active=False)
    with pytest.raises(BadToken, match="deactivated"), db.begin() as tx:
        token_actions.create_token(tx, log, member, name="late", scopes=["read"], days=1)


def test_a_token_says_who_made_it_and_where_it_was_used(
    db: Database, log: EventLog, people: People, member: Actor
) -> None:
    with db.begin() as tx:
        token, _ = token_actions.create_token(tx, log, member, name="ci", scopes=["read"], days=1)
        store.touch_token(tx, token.id, address="10.0.0.1", origin="cli")
        found = store.token(tx, token.id)
    assert found is not None
    shown = found[0]
    assert (shown.origin, shown.made_by, shown.last_address, shown.last_origin) == ("api", MEMBER, "10.0.0.1", "cli")


# Leaked ones


def leak(db: Database, log: EventLog, *secrets: str) -> list[str]:
    with db.begin() as tx:
        found = token_actions.revoke_leaked(tx, log, secrets, where="a gist", address="10.0.0.1", origin="api")
    return [each.outcome for each in found]


def test_whoever_has_a_token_may_end_it_with_all_that_it_made(db: Database, log: EventLog, people: People) -> None:
    _, secret = issue(db, log, people.member)
    maker = came_in(db, secret)
    with db.begin() as tx:
        _, made = token_actions.create_token(tx, log, maker, name="more", scopes=["read"], days=1)
    assert leak(db, log, f" {secret}\n", secret) == ["revoked", "ended"]
    for each in (secret, made):
        with pytest.raises(BadToken, match="revoked"):
            came_in(db, each)
    assert types(db)[-2:] == ["highroad-token.revoked.0.1.0"] * 2


def test_what_is_no_token_of_ours_ends_nothing(db: Database, log: EventLog, people: People) -> None:
    before = types(db)
    assert leak(db, log, secrets.new_token(), "hr_" + "a" * 38, "ghp_x") == ["unknown", "not-a-token", "not-a-token"]
    assert types(db) == before


def test_a_token_that_only_reads_may_end_itself_and_no_other(db: Database, log: EventLog, people: People) -> None:
    other, _ = issue(db, log, people.member)
    own, secret = issue(db, log, people.member, "read")
    actor = came_in(db, secret)
    with pytest.raises(NotAllowed), db.begin() as tx:
        token_actions.revoke_token(tx, log, actor, other)
    with db.begin() as tx:
        token_actions.revoke_token(tx, log, actor, own)


def test_a_token_gives_no_more_than_its_maker_has(db: Database, log: EventLog, people: People) -> None:
    actor = actor_of(people.member, "read", "write")
    with pytest.raises(NotAllowed, match="git"), db.begin() as tx:
        token_actions.create_token(tx, log, actor, name="more", scopes=["read", "git"], days=1)


def test_a_token_that_a_token_made_ends_with_it(db: Database, log: EventLog, people: People) -> None:
    _, secret = issue(db, log, people.member, days=1)
    maker = came_in(db, secret)
    with db.begin() as tx:
        made = [
            token_actions.create_token(tx, log, maker, name="more", scopes=["read"], days=days) for days in (None, 90)
        ]
        listed = {each.id: each.expires_at for each in store.list_tokens(tx, people.member.id)}
    assert {listed[each.id] for each, _ in made} == {listed[str(maker.token)]}


def test_revoking_a_token_revokes_all_that_came_of_it(
    db: Database, log: EventLog, people: People, member: Actor
) -> None:
    first, secret = issue(db, log, people.member)
    _, other = issue(db, log, people.member)
    secrets_made = [secret]
    for _ in range(2):
        maker = came_in(db, secrets_made[-1])
        with db.begin() as tx:
            secrets_made.append(
                token_actions.create_token(tx, log, maker, name="x", scopes=["read", "write"], days=1)[1]
            )
    with db.begin() as tx:
        token_actions.revoke_token(tx, log, member, first)
    for each in secrets_made:
        with pytest.raises(BadToken, match="revoked"):
            came_in(db, each)
    assert came_in(db, other)
    assert types(db)[-3:] == ["highroad-token.revoked.0.1.0"] * 3


def test_a_token_that_was_just_revoked_makes_none(db: Database, log: EventLog, people: People, member: Actor) -> None:
    id, secret = issue(db, log, people.member)
    maker = came_in(db, secret)
    with db.begin() as tx:
        token_actions.revoke_token(tx, log, member, id)
    with pytest.raises(BadToken), db.begin() as tx:
        token_actions.create_token(tx, log, maker, name="late", scopes=["read"], days=1)


@pytest.mark.parametrize(("name", "scopes"), [("x", []), ("x", ["fly"]), ("  ", ["read"])])
def test_a_token_needs_a_name_and_scopes_that_exist(
    db: Database, log: EventLog, member: Actor, name: str, scopes: list[str]
) -> None:
    with pytest.raises(Invalid), db.begin() as tx:
        token_actions.create_token(tx, log, member, name=name, scopes=scopes, days=1)


def test_the_scope_admin_is_worth_nothing_to_who_is_none(db: Database, log: EventLog, people: People) -> None:
    _, secret = issue(db, log, people.member, "read", "admin")
    assert came_in(db, secret).scopes == frozenset({"read"})


def test_last_use_is_written_at_most_once_a_minute(db: Database, log: EventLog, people: People) -> None:
    id, secret = issue(db, log, people.member)
    with db.begin() as tx:
        found = store.token_by_digest(tx, digest(secret))
        assert found is not None
        assert token_actions.stale_last_use(found[0])
        store.touch_token(tx, id)
        touched = store.token_by_digest(tx, digest(secret))
        assert touched is not None
        assert not token_actions.stale_last_use(touched[0])
