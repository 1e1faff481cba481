"""Sign-in providers and trust rules on the command line."""

from __future__ import annotations

import io

import pytest

from tests.cli.conftest import Highroad
from tests.client.canned import Canned


def test_providers_are_listed_by_default(signed_in: Canned, highroad: Highroad) -> None:
    items = [{"name": "company", "active": True, "domains": ["example.com"], "issuer": "https://login.example.com"}]
    signed_in.answer("GET", "/sign-in-providers", {"items": items})
    row = highroad("providers").out.splitlines()[1].split()
    assert row == ["company", "yes", "example.com", "https://login.example.com"]
    assert highroad("providers", "--json").document == {"items": items}


def test_a_provider_is_added_with_its_secret_from_stdin(
    signed_in: Canned, highroad: Highroad, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in.answer("POST", "/sign-in-providers", {"name": "company", "redirect_uri": "http://x/callback"}, 201)
    monkeypatch.setattr("sys.stdin", io.StringIO("s3cret\n"))
    ran = highroad(
        *("providers", "add", "company", "--issuer", "https://login.example.com", "--client-id", "highroad"),
        *("--domain", "example.com", "--group-claim", "groups", "--group", "dev-*=web", "--scope", "groups"),
    )
    assert "http://x/callback" in ran.out
    body = signed_in.requests[0].body
    assert (body["client_secret"], body["email_trust"], body["creates_users"]) == ("s3cret", "verified", False)
    assert (body["groups"], body["scopes"]) == ([{"group": "dev-*", "team": "web"}], ["openid", "groups"])


def test_an_empty_secret_is_refused_before_anything_is_sent(
    signed_in: Canned, highroad: Highroad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert highroad("providers", "add", "x", "--issuer", "https://x", "--client-id", "y").code == 2
    assert signed_in.requests == []


def test_the_test_of_a_provider_says_what_was_found_and_fails_when_it_is_bad(
    signed_in: Canned, highroad: Highroad
) -> None:
    found = {"works": False, "findings": [{"state": "bad", "what": "No key.", "next_step": "Make one."}]}
    signed_in.answer("POST", "/sign-in-providers/company/test", found)
    ran = highroad("providers", "test", "company")
    assert (ran.code, ran.out.splitlines()) == (1, ["✗ No key.", "  Make one."])


def test_a_provider_is_switched_and_removed(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("PATCH", "/sign-in-providers/company", {"active": False})
    signed_in.answer("DELETE", "/sign-in-providers/company", status=204)
    assert highroad("providers", "disable", "company").out == "company is off.\n"
    assert signed_in.requests[0].body == {"active": False}
    assert highroad("providers", "remove", "company").code == 0


@pytest.mark.parametrize(
    ("arguments", "issuer", "conditions"),
    [
        (
            ("--github", "acme/shop", "--branch", "main", "--environment", "production"),
            "https://token.actions.githubusercontent.com",
            ["repository=acme/shop", "ref=refs/heads/main", "environment=production"],
        ),
        (
            ("--gitlab", "acme/shop", "--branch", "main"),
            "https://gitlab.com",
            ["project_path=acme/shop", "ref_path=refs/heads/main"],
        ),
        (
            ("--gitlab", "acme/shop", "--issuer", "https://git.example.com", "--when", "ref_protected=true"),
            "https://git.example.com",
            ["ref_protected=true", "project_path=acme/shop"],
        ),
        (("--issuer", "https://ci.example.com", "--when", "sub=job-7"), "https://ci.example.com", ["sub=job-7"]),
    ],
)
def test_a_trust_rule_is_written_from_what_people_know(
    signed_in: Canned, highroad: Highroad, arguments: tuple[str, ...], issuer: str, conditions: list[str]
) -> None:
    signed_in.answer("POST", "/trust-rules", {"name": "main", "account": "deployer"}, 201)
    assert highroad("trust", "add", "main", "--as", "deployer", *arguments).code == 0
    body = signed_in.requests[0].body
    assert (body["issuer"], body["scopes"], body["once"]) == (issuer, ["read", "write"], True)
    assert [f"{each['claim']}={each['pattern']}" for each in body["conditions"]] == conditions


@pytest.mark.parametrize("arguments", [(), ("--github", "a/b", "--gitlab", "a/b"), ("--issuer", "https://x")])
def test_a_trust_rule_must_say_whose_jobs(signed_in: Canned, highroad: Highroad, arguments: tuple[str, ...]) -> None:
    assert highroad("trust", "add", "main", "--as", "deployer", *arguments).code == 2
    assert signed_in.requests == []


def test_trust_rules_are_listed(signed_in: Canned, highroad: Highroad) -> None:
    conditions = [{"claim": "repository", "pattern": "acme/shop"}]
    signed_in.answer("GET", "/trust-rules", {"items": [{"name": "main", "active": True, "conditions": conditions}]})
    assert highroad("trust").out.splitlines()[1].endswith("repository=acme/shop")
