"""Signing in as a CI job."""

from __future__ import annotations

import os

import pytest

from highroad.client.credentials import Credentials
from tests.cli.conftest import Highroad
from tests.client.canned import Canned

ME = {"id": "usr_1", "email": "deployer", "token": {"id": "tok_9", "name": "exchange main", "scopes": ["write"]}}


@pytest.fixture
def installation(canned: Canned) -> Canned:
    canned.answer("GET", "/me", ME)
    canned.answer("POST", "/token-exchange", {"access_token": "hr_short", "expires_in": 300})
    return canned


def test_the_token_of_a_variable_is_exchanged(
    installation: Canned, highroad: Highroad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIGHROAD_ID_TOKEN", "e30.e30.x")
    ran = highroad("login", installation.url, "--workload")
    assert (ran.code, "as deployer" in ran.out) == (0, True)
    assert installation.requests[0].body == {"subject_token": "e30.e30.x"}
    assert "hr_short" not in ran.out + ran.err
    known = Credentials.of(os.environ).find(installation.url)
    assert known is not None
    assert known.token == "hr_short"


def test_github_is_asked_for_a_token_for_this_installation(
    installation: Canned, highroad: Highroad, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.answer("GET", "/github", {"value": "e30.e30.github"})
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"{installation.url}/api/v1/github?api-version=2.0")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "runner-secret")
    assert highroad("login", installation.url, "--workload").code == 0
    asked = installation.requests[0]
    assert asked.query == {"api-version": "2.0", "audience": installation.url}
    assert asked.headers["Authorization"] == "Bearer runner-secret"
    assert installation.requests[1].body == {"subject_token": "e30.e30.github"}


def test_a_job_without_an_identity_is_told_how_to_get_one(
    installation: Canned, highroad: Highroad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_URL", raising=False)
    ran = highroad("login", installation.url, "--workload")
    assert (ran.code, "id-token: write" in ran.err) == (3, True)


def test_ways_to_sign_in_exclude_each_other(installation: Canned, highroad: Highroad) -> None:
    assert highroad("login", installation.url, "--workload", "--token").code == 2
