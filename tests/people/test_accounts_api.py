"""Service accounts and policy tokens over HTTP."""

from __future__ import annotations

import pytest

from highroad.access import grants, store
from highroad.access.model import User
from tests.world import Api

READS = 'permit (principal, action == Action::"project:read", resource in Project::"shop");'


@pytest.fixture
def bot(api: Api) -> Api:
    """An installation with the project shop and the service account bot, which has no role yet."""
    api.admin.post("/projects", json={"name": "shop"})
    api.admin.post("/projects", json={"name": "blog"})
    made = api.admin.post("/service-accounts", json={"name": "bot", "description": "releases"})
    assert made.status_code == 201
    return api


def member_of(api: Api) -> User:
    with api.db.read() as tx:
        found = store.user(tx, api.people.member.id)
    assert found is not None
    return found


def token_for(api: Api, *scopes: str) -> str:
    body = {"name": "ci", "scopes": list(scopes or ("read", "write"))}
    return str(api.admin.post("/service-accounts/bot/tokens", json=body).json()["token"])


def policy_token(api: Api, policy: str = READS) -> dict[str, str]:
    answer = api.admin.post("/policy-tokens", json={"name": "board", "policy": policy})
    assert answer.status_code == 201, answer.text
    made: dict[str, str] = answer.json()
    return made


def test_a_service_account_sees_what_it_was_granted_and_no_more(bot: Api) -> None:
    caller = bot.caller(token_for(bot))
    assert caller.get("/projects").json()["items"] == []
    account = bot.admin.get("/service-accounts/bot").json()["id"]
    with bot.db.begin() as tx:
        shop = bot.admin.get("/projects/shop").json()["id"]
        grants.set_grant(tx, holder_kind="user", holder_id=account, project=shop, mode=None, role="viewer", by="test")
    assert [each["name"] for each in caller.get("/projects").json()["items"]] == ["shop"]
    me = caller.get("/me").json()
    assert (me["kind"], me["email"]) == ("service", "bot")
    assert bot.admin.get("/service-accounts").json()["items"][0]["last_used_at"] is not None


def test_a_service_account_outlives_the_token_that_asked_for_its_token(bot: Api) -> None:
    asking = bot.caller_with("read", "write", "git", "admin", days=1)
    made = asking.post("/service-accounts/bot/tokens", json={"name": "ci", "expires_in_days": 90}).json()
    asking.delete(f"/tokens/{asking.get('/me').json()['token']['id']}")
    assert bot.caller(made["token"]).get("/me").status_code == 200


def test_deactivating_a_service_account_ends_its_tokens_at_once(bot: Api) -> None:
    caller = bot.caller(token_for(bot))
    assert bot.admin.patch("/service-accounts/bot", json={"active": False}).json()["active"] is False
    assert caller.get("/me").status_code == 401
    refused = bot.admin.post("/service-accounts/bot/tokens", json={"name": "ci"})
    assert (refused.status_code, refused.json()["code"]) == (409, "deactivated")


def test_a_service_account_cannot_do_more_than_its_role_by_a_scope(bot: Api) -> None:
    refused = bot.admin.post("/service-accounts/bot/tokens", json={"name": "x", "scopes": ["admin"]})
    assert (refused.status_code, refused.json()["code"]) == (422, "bad-account")


@pytest.mark.parametrize("name", ["highroad", "unknown", "Bot", "a@b", "x" * 64])
def test_some_names_are_no_names_of_accounts(sqlite_api: Api, name: str) -> None:
    assert sqlite_api.admin.post("/service-accounts", json={"name": name}).status_code == 422


def test_names_are_of_one_account(bot: Api) -> None:
    assert bot.admin.post("/service-accounts", json={"name": "bot"}).json()["code"] == "account-exists"
    assert bot.admin.post("/policy-tokens", json={"name": "bot", "policy": READS}).json()["code"] == "account-exists"


def test_a_service_account_is_no_owner(bot: Api) -> None:
    assert bot.admin.post("/service-accounts", json={"name": "root", "role": "owner"}).status_code == 422
    assert bot.admin.patch("/service-accounts/bot", json={"role": "owner"}).status_code == 422


def test_members_neither_see_nor_change_accounts(bot: Api) -> None:
    asked = [
        bot.member.get("/service-accounts"),
        bot.member.get("/service-accounts/bot"),
        bot.member.post("/service-accounts", json={"name": "mine"}),
        bot.member.patch("/service-accounts/bot", json={"active": False}),
        bot.member.post("/service-accounts/bot/tokens", json={"name": "mine"}),
        bot.member.get("/policy-tokens"),
        bot.member.post("/policy-tokens", json={"name": "mine", "policy": READS}),
    ]
    assert {each.status_code for each in asked} == {403}


# Policy tokens


def test_a_policy_token_may_do_what_its_policy_allows_and_nothing_else(bot: Api) -> None:
    caller = bot.caller(policy_token(bot)["secret"])
    assert [each["name"] for each in caller.get("/projects").json()["items"]] == ["shop"]
    assert caller.get("/projects/blog").status_code == 404
    assert caller.post("/projects", json={"name": "more"}).status_code == 403
    assert caller.get("/users").status_code == 403


def test_a_changed_policy_is_in_force_at_once(bot: Api) -> None:
    caller = bot.caller(policy_token(bot)["secret"])
    changed = bot.admin.patch("/policy-tokens/board", json={"policy": READS.replace("shop", "blog")})
    assert changed.status_code == 200
    assert [each["name"] for each in caller.get("/projects").json()["items"]] == ["blog"]


def test_a_policy_that_is_wrong_is_refused_with_its_line(sqlite_api: Api) -> None:
    policy = READS + '\n\npermit (principal, action == Action::"project:fly", resource);'
    answer = sqlite_api.admin.post("/policy-tokens", json={"name": "board", "policy": policy})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad-policy")
    assert any("line 3" in each["detail"] and "project:fly" in each["detail"] for each in answer.json()["errors"])


def test_a_policy_token_makes_no_tokens_even_if_its_policy_allows_everything(bot: Api) -> None:
    caller = bot.caller(policy_token(bot, "permit (principal, action, resource);")["secret"])
    assert caller.post("/tokens", json={"name": "x", "scopes": ["read"]}).status_code == 403
    assert caller.post("/policy-tokens", json={"name": "x", "policy": READS}).status_code == 403
    assert caller.patch("/policy-tokens/board", json={"policy": READS}).status_code == 403
    assert caller.post("/invitations", json={"email": "eve@example.com", "role": "admin"}).status_code == 403


def test_a_token_of_fewer_scopes_makes_no_policy_token(sqlite_api: Api) -> None:
    limited = sqlite_api.caller_with("read", "admin")
    answer = limited.post("/policy-tokens", json={"name": "board", "policy": READS})
    assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")


def test_an_administrator_escapes_no_policy_by_a_policy_token(sqlite_api: Api) -> None:
    aimed = 'forbid (principal in OrganizationRole::"admin", action == Action::"secret:read", resource);'
    assert sqlite_api.admin.put("/policies/no-peeking", json={"text": aimed}).status_code == 200
    with sqlite_api.db.begin() as tx:
        store.update_user(tx, sqlite_api.people.member.id, role="admin")
    member = member_of(sqlite_api)
    admin = sqlite_api.caller_with("read", "write", "git", "admin", user=member)
    everything = "permit (principal, action, resource);"
    answer = admin.post("/policy-tokens", json={"name": "board", "policy": everything})
    assert (answer.status_code, "no-peeking" in answer.json()["detail"]) == (403, True)
    assert sqlite_api.admin.post("/policy-tokens", json={"name": "board", "policy": everything}).status_code == 201
    assert admin.patch("/policy-tokens/board", json={"policy": everything}).status_code == 403


def test_a_policy_token_ends_for_good(bot: Api) -> None:
    made = policy_token(bot)
    assert bot.admin.delete("/policy-tokens/board").status_code == 204
    assert bot.caller(made["secret"]).get("/projects").status_code == 401


def test_an_auditor_sees_accounts_and_policies_and_no_secret(bot: Api) -> None:
    policy_token(bot)
    bot.admin.patch(f"/users/{bot.people.member.id}", json={"role": "auditor"})
    found = bot.member.get("/policy-tokens").json()["items"]
    assert [each["policy"] for each in found] == [READS]
    assert "secret" not in found[0]
    assert bot.member.delete("/policy-tokens/board").status_code == 403
