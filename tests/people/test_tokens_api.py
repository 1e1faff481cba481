"""Tokens over HTTP: one's own, everybody's, and those that leaked."""

from __future__ import annotations

import pytest

from tests.world import MEMBER, Api


def test_a_token_is_made_used_and_revoked(api: Api) -> None:
    made = api.member.post("/tokens", json={"name": "ci", "scopes": ["read"], "expires_in_days": 7}).json()
    ci = api.caller(made["token"])
    assert ci.get("/projects").status_code == 200
    listed = {each["id"]: each for each in api.member.get("/tokens").json()["items"]}
    assert listed[made["id"]]["last_used_at"] is not None
    assert listed[made["id"]]["last_origin"] == "api"
    assert "token" not in listed[made["id"]]
    assert api.member.delete(f"/tokens/{made['id']}").status_code == 204
    assert ci.get("/projects").json()["detail"] == "The token 'ci' was revoked."


@pytest.mark.parametrize("body", [{"name": ""}, {"name": "x", "scopes": ["fly"]}, {"name": "x", "expires_in_days": 0}])
def test_a_token_that_makes_no_sense_is_422(sqlite_api: Api, body: dict[str, object]) -> None:
    assert sqlite_api.member.post("/tokens", json=body).status_code == 422


def test_a_token_gives_away_no_more_than_it_has(sqlite_api: Api) -> None:
    reader = sqlite_api.caller_with("read", "write")
    assert reader.post("/tokens", json={"name": "more", "scopes": ["admin"]}).status_code == 403


def test_everybodys_tokens_are_for_those_who_see_access(sqlite_api: Api) -> None:
    found = sqlite_api.admin.get("/tokens?account=everybody").json()["items"]
    assert {each["account_name"] for each in found} == {"ada@example.com", MEMBER}
    of_one = sqlite_api.admin.get(f"/tokens?account={sqlite_api.people.member.id}").json()["items"]
    assert {each["account_name"] for each in of_one} == {MEMBER}
    for whose in ("everybody", sqlite_api.people.admin.id):
        assert sqlite_api.member.get(f"/tokens?account={whose}").status_code == 403


def test_somebody_elses_token_cannot_be_told_from_none(sqlite_api: Api) -> None:
    theirs = sqlite_api.admin.get("/tokens").json()["items"][0]["id"]
    answers = [sqlite_api.member.delete(f"/tokens/{id}") for id in (theirs, "tok_none")]
    assert [each.status_code for each in answers] == [404, 404]
    assert answers[0].json()["detail"] == answers[1].json()["detail"]


def test_an_administrator_ends_the_token_of_a_member(sqlite_api: Api) -> None:
    id = sqlite_api.member.get("/tokens").json()["items"][0]["id"]
    assert sqlite_api.admin.delete(f"/tokens/{id}").status_code == 204
    assert sqlite_api.member.get("/me").status_code == 401


def test_a_leaked_token_is_ended_by_whoever_found_it(api: Api) -> None:
    report = {"tokens": [api.people.member_token, "hr_nonsense"], "where": "https://example.com/gist"}
    answer = api.nobody.post("/tokens/leaked", json=report)
    assert [each["outcome"] for each in answer.json()["items"]] == ["revoked", "not-a-token"]
    assert api.people.member_token not in answer.text
    assert api.member.get("/me").json()["detail"] == 'The token "a member\'s" was revoked.'


def test_a_report_of_leaks_has_a_limit(sqlite_api: Api) -> None:
    assert sqlite_api.nobody.post("/tokens/leaked", json={"tokens": ["x"] * 101}).status_code == 422
    assert sqlite_api.nobody.post("/tokens/leaked", json={"tokens": []}).status_code == 422
