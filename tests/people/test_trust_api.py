"""Trust rules and the exchange, over HTTP: a CI job comes with its identity token and leaves with ours, or not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from highroad.access import store
from highroad.access.model import User
from highroad.access.trust.actions import RECORDED_REFUSALS
from highroad.kit.clock import now
from highroad.kit.ids import new_id
from tests.access.federation.provider import DISCOVERY, Provider, ec, rsa, running, signed, unsigned
from tests.access.trust.jobs import GITHUB_CLAIMS, GITLAB_CLAIMS, job
from tests.people.callers import Callers, callers
from tests.portal.site import Site
from tests.world import SOURCE

GITHUB_RULE = [
    {"claim": "repository", "pattern": "octo-org/octo-repo"},
    {"claim": "ref", "pattern": "refs/heads/main"},
    {"claim": "environment", "pattern": "prod"},
]
GITLAB_RULE = [
    {"claim": "project_path", "pattern": "my-group/*"},
    {"claim": "ref_path", "pattern": "refs/heads/feature-*"},
]


@pytest.fixture
def api(site: Site) -> Callers:
    return callers(site)


@pytest.fixture
def issuer() -> Iterator[Provider]:
    with running() as served:
        yield served


@pytest.fixture
def deployer(api: Callers) -> User:
    """A service account."""
    with api.db.begin() as tx:
        return store.add_user(tx, id=new_id("usr"), email="deployer", name="Deployer", kind="service")


def trust(api: Callers, issuer: Provider, account: str = "deployer", **more: Any) -> dict[str, Any]:
    body = {"name": "main", "issuer": issuer.url, "conditions": GITHUB_RULE, "account": account} | more
    answer = api.admin.post("/trust-rules", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def rule(api: Callers, issuer: Provider, deployer: User) -> dict[str, Any]:
    return trust(api, issuer)


def token(issuer: Provider, jti: str = "one", claims: dict[str, Any] = GITHUB_CLAIMS, **changes: Any) -> str:
    return issuer.sign(job(claims, issuer=issuer.url, audience=SOURCE, jti=jti, **changes))


def exchange(api: Callers, subject_token: str) -> Any:
    return api.nobody.post("/token-exchange", json={"subject_token": subject_token})


def given(api: Callers, subject_token: str) -> TestClient:
    answer = exchange(api, subject_token)
    assert answer.status_code == 200, answer.text
    return api.caller(answer.json()["access_token"])


def events(api: Callers, kind: str) -> list[dict[str, Any]]:
    items = api.admin.get("/events", params={"page_size": 200}).json()["items"]
    return [each for each in items if each["type"].endswith(kind)]


# The exchange


@pytest.mark.usefixtures("rule")
def test_a_job_of_github_gets_a_short_lived_token_of_the_service_account(api: Callers, issuer: Provider) -> None:
    answer = exchange(api, token(issuer)).json()
    assert (answer["token_type"], answer["scope"], answer["account"]) == ("Bearer", "read write", "deployer")
    assert answer["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert 290 <= answer["expires_in"] <= 300, "not past the job's own token"
    me = api.caller(answer["access_token"]).get("/me").json()
    assert (me["kind"], me["email"], me["scopes"]) == ("service", "deployer", ["read", "write"])
    assert me["token"]["name"] == "exchange main: repo:octo-org/octo-repo:environment:prod"


@pytest.mark.usefixtures("deployer")
def test_a_job_of_gitlab_gets_one_too(api: Callers, issuer: Provider) -> None:
    trust(api, issuer, conditions=GITLAB_RULE, scopes=["git"], minutes=3)
    answer = exchange(api, token(issuer, claims=GITLAB_CLAIMS, exp=time.time() + 3600)).json()
    assert 170 <= answer["expires_in"] <= 180
    assert answer["scope"] == "git"


@pytest.mark.usefixtures("rule")
def test_a_token_by_exchange_makes_none_that_outlives_it(api: Callers, issuer: Provider) -> None:
    caller = given(api, token(issuer))
    made = caller.post("/tokens", json={"name": "longer", "scopes": ["read"], "expires_in_days": 90})
    assert made.status_code in (201, 403)
    if made.status_code == 201:
        assert made.json()["expires_at"] <= f"{now().year + 1}"
        assert made.json()["expires_at"] == caller.get("/me").json()["token"]["expires_at"]


@pytest.mark.usefixtures("rule")
def test_an_exchange_is_an_event_with_the_rule_and_the_claims_and_no_token(api: Callers, issuer: Provider) -> None:
    sent = token(issuer)
    secret = exchange(api, sent).json()["access_token"]
    (event,) = events(api, "token.exchanged.0.1.0")
    content = event["data"]["subject"]["content"]
    assert (content["rule"], content["claims"]["ref"]) == ("main", "refs/heads/main")
    assert event["data"]["customData"]["actor"] == "deployer"
    assert secret not in str(event)
    assert sent.split(".")[2] not in str(event)


def test_the_use_of_a_rule_is_noted(api: Callers, issuer: Provider, rule: dict[str, Any]) -> None:
    assert rule["last_used_at"] is None
    exchange(api, token(issuer))
    assert api.admin.get("/trust-rules/main").json()["last_used_at"] is not None


# Replays


@pytest.mark.usefixtures("rule")
def test_a_jobs_token_is_exchanged_once(api: Callers, issuer: Provider) -> None:
    sent = token(issuer)
    assert exchange(api, sent).status_code == 200
    again = exchange(api, sent)
    assert (again.status_code, "exchanged before" in again.json()["detail"]) == (401, True)
    assert exchange(api, token(issuer, "two")).status_code == 200


@pytest.mark.usefixtures("rule")
def test_of_many_copies_at_the_same_time_one_is_exchanged(api: Callers, issuer: Provider) -> None:
    body = {"subject_token": token(issuer)}

    async def together() -> list[int]:
        transport = httpx2.ASGITransport(app=api.site.app)
        async with httpx2.AsyncClient(transport=transport, base_url=SOURCE) as client:
            sent = [client.post("/api/v1/token-exchange", json=body) for _ in range(8)]
            return [each.status_code for each in await asyncio.gather(*sent)]

    assert sorted(asyncio.run(together())) == [200, *[401] * 7]


@pytest.mark.usefixtures("rule")
def test_a_token_without_an_id_of_its_own_is_known_by_its_content(api: Callers, issuer: Provider) -> None:
    issuer.keys = [ec("two")]  # whose signatures differ each time
    claims = job(GITHUB_CLAIMS, issuer=issuer.url, audience=SOURCE, jti="")
    assert exchange(api, issuer.sign(claims)).status_code == 200
    assert exchange(api, issuer.sign(claims)).status_code == 401


@pytest.mark.usefixtures("deployer")
def test_a_rule_may_take_a_token_again(api: Callers, issuer: Provider) -> None:
    trust(api, issuer, once=False)
    sent = token(issuer)
    assert [exchange(api, sent).status_code for _ in range(2)] == [200, 200]


# Who is refused


@pytest.mark.usefixtures("rule")
@pytest.mark.parametrize(
    "changes",
    [
        {"repository": "octo-org/other"},
        {"repository": "OCTO-ORG/octo-repo"},
        {"ref": "refs/heads/main2"},
        {"ref": "refs/pull/1/merge"},
        {"environment": None},
        {"environment": "staging"},
    ],
)
def test_a_job_that_misses_a_condition_is_refused_and_the_event_says_which(
    api: Callers, issuer: Provider, changes: dict[str, Any]
) -> None:
    answer = exchange(api, token(issuer, **changes))
    assert (answer.status_code, answer.json()["code"]) == (401, "exchange-refused")
    assert "main" not in answer.json()["detail"], "what it would take is not told to a stranger"
    (event,) = events(api, "exchangerefused.0.1.0")
    content = event["data"]["subject"]["content"]
    (missed,) = content["unmet"]["main"]
    assert missed.partition("=")[0] in changes
    assert content["claims"]["sub"] == GITHUB_CLAIMS["sub"]


@pytest.mark.usefixtures("rule")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"aud": "https://other.example"}, "audience"),
        ({"aud": [SOURCE, "https://other.example"]}, "(aud)"),
        ({"aud": None}, "audience"),
        ({"iss": "https://token.actions.githubusercontent.com"}, "No trust rule"),
        ({"exp": 1}, "expired"),
        ({"exp": None}, "(exp)"),
        ({"iat": 9_999_999_999}, "future"),
        ({"sub": None}, "about whom"),
    ],
)
def test_a_token_that_does_not_hold_is_refused(
    api: Callers, issuer: Provider, changes: dict[str, Any], said: str
) -> None:
    answer = exchange(api, token(issuer, **changes))
    assert (answer.status_code, said in answer.json()["detail"]) == (401, True), answer.text


@pytest.mark.usefixtures("rule")
def test_forged_tokens_are_refused(api: Callers, issuer: Provider) -> None:
    claims = job(GITHUB_CLAIMS, issuer=issuer.url, audience=SOURCE, jti="x")
    forged = [
        unsigned(claims, {"alg": "none"}),
        unsigned(claims, {"alg": "HS256", "kid": "one"}, b"x" * 32),
        signed(claims, rsa("attacker")),
        signed(claims, rsa("attacker"), kid="one"),
        signed(claims, ec("two"), "ES256", kid="one"),
        "x",
        "a.b.c",
        "",
    ]
    assert {exchange(api, each).status_code for each in forged} == {401}
    assert all("unverified" not in str(each) for each in events(api, "exchangerefused.0.1.0"))
    assert {each["data"]["subject"]["content"]["claims"] == {} for each in events(api, "refused.0.1.0")} == {True}


def test_by_default_nobody_is_trusted_and_no_issuer_is_asked(api: Callers, issuer: Provider) -> None:
    assert exchange(api, token(issuer)).status_code == 401
    assert issuer.asked[DISCOVERY] == 0


def test_an_issuer_that_does_not_answer_is_unavailable_and_nothing_is_spent(
    api: Callers, issuer: Provider, rule: dict[str, Any]
) -> None:
    issuer.answers["/keys"] = (503, {}, b"")
    sent = token(issuer)
    assert exchange(api, sent).status_code == 503


def test_a_rule_that_is_off_or_gone_trusts_nobody(api: Callers, issuer: Provider, rule: dict[str, Any]) -> None:
    assert api.admin.patch("/trust-rules/main", json={"active": False}).json()["active"] is False
    assert exchange(api, token(issuer)).status_code == 401
    api.admin.patch("/trust-rules/main", json={"active": True})
    assert exchange(api, token(issuer, "two")).status_code == 200
    assert api.admin.delete("/trust-rules/main").status_code == 204
    assert exchange(api, token(issuer, "three")).status_code == 401


@pytest.mark.usefixtures("rule")
def test_a_deactivated_account_gets_no_token(api: Callers, issuer: Provider, deployer: User) -> None:
    caller = given(api, token(issuer))
    with api.db.begin() as tx:
        store.update_user(tx, deployer.id, active=False)
    assert exchange(api, token(issuer, "two")).status_code == 401
    assert caller.get("/me").status_code == 401


def test_refusals_at_will_do_not_fill_the_log(api: Callers) -> None:
    for _ in range(RECORDED_REFUSALS + 15):
        exchange(api, "junk")
    recorded = events(api, "exchangerefused.0.1.0")
    assert len(recorded) == RECORDED_REFUSALS + 1, "twenty, and the thirty-second"


@pytest.mark.parametrize(
    "body",
    [
        {"subject_token": "x", "grant_type": "authorization_code"},
        {"subject_token": "x", "subject_token_type": "urn:ietf:params:oauth:token-type:saml2"},
        {},
        {"subject_token": "x" * 100_001},
    ],
)
def test_only_identity_tokens_are_exchanged(api: Callers, body: dict[str, Any]) -> None:
    assert api.nobody.post("/token-exchange", json=body).status_code == 422


@pytest.mark.usefixtures("rule")
def test_a_jobs_token_itself_opens_nothing(api: Callers, issuer: Provider) -> None:
    assert api.caller(token(issuer)).get("/me").status_code == 401


# Rules


@pytest.mark.usefixtures("deployer")
@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"conditions": []}, "/conditions"),
        ({"conditions": [{"claim": "ref", "pattern": "refs/heads/main"}]}, "/conditions"),
        ({"conditions": [{"claim": "repository", "pattern": "octo*"}]}, "/conditions"),
        ({"conditions": [{"claim": "", "pattern": "x"}]}, "/conditions"),
        ({"scopes": ["admin"]}, "/scopes"),
        ({"scopes": []}, "/scopes"),
        ({"minutes": 16}, "/minutes"),
        ({"minutes": 0}, "/minutes"),
        ({"account": "ada@example.com"}, "/account"),
        ({"account": "nobody"}, "/account"),
        ({"issuer": "http://token.example.com"}, "/issuer"),
        ({"name": "Not a name"}, "/name"),
    ],
)
def test_a_rule_that_trusts_too_much_or_makes_no_sense_is_refused(
    api: Callers, change: dict[str, Any], pointer: str
) -> None:
    body = {"name": "main", "issuer": "https://gitlab.com", "conditions": GITHUB_RULE, "account": "deployer"} | change
    answer = api.admin.post("/trust-rules", json=body)
    assert answer.status_code == 422
    assert pointer in [each["pointer"] for each in answer.json()["errors"]]


def test_a_change_is_checked_as_a_new_rule_is_and_its_event_tells_the_difference(
    api: Callers, issuer: Provider, rule: dict[str, Any]
) -> None:
    wide = {"conditions": [{"claim": "repository", "pattern": "**"}]}
    assert api.admin.patch("/trust-rules/main", json=wide).status_code == 422
    assert api.admin.patch("/trust-rules/main", json={"minutes": 5}).status_code == 200
    (event,) = events(api, "trustrule.modified.0.1.0")
    custom = event["data"]["customData"]
    assert (custom["before"], custom["after"]) == ({"minutes": 15}, {"minutes": 5})


def test_two_rules_of_one_name_are_a_conflict(api: Callers, issuer: Provider, rule: dict[str, Any]) -> None:
    body = {"name": "main", "issuer": issuer.url, "conditions": GITHUB_RULE, "account": "deployer"}
    assert api.admin.post("/trust-rules", json=body).status_code == 409


def test_members_write_no_rules(api: Callers, issuer: Provider, rule: dict[str, Any]) -> None:
    assert api.member.patch("/trust-rules/main", json={"minutes": 5}).status_code in (403, 404)
    assert api.member.delete("/trust-rules/main").status_code in (403, 404)
    assert api.nobody.get("/trust-rules").status_code == 401
