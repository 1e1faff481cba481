"""HashiCorp Vault and OpenBao as their documentation has them: paths, headers, versions and refusals."""

from __future__ import annotations

import socket

import pytest

from highroad.vaults.contract import BadVaultPath, VaultRefused, VaultUnavailable, check_path
from highroad.vaults.hashicorp import AppRoleSignIn, BadVaultAddress, HashiCorpVault, TokenSignIn, check_address
from tests.vaults.conftest import Vault

GOOD = TokenSignIn("hvs.good")


@pytest.fixture(autouse=True)
def filled(vault: Vault) -> None:
    vault.entries = {
        "/v1/secret/data/shop/database": [{"password": "first"}, {"password": "second", "port": 5432}],
        "/v1/team%20kv/data/a%20b": [{"value": "x"}],
        "/v1/secret/data/gone": [{"value": "old"}, None],
    }


def test_an_entry_is_read_with_the_documented_request(vault: Vault) -> None:
    assert HashiCorpVault(vault.address, GOOD).read("shop/database", None) == {"password": "second", "port": "5432"}
    (asked,) = vault.asked
    assert (asked.method, asked.path) == ("GET", "/v1/secret/data/shop/database")
    assert asked.headers["x-vault-token"] == "hvs.good"
    assert asked.headers["x-vault-request"] == "true"
    assert "x-vault-namespace" not in asked.headers


def test_a_name_that_leads_to_a_metadata_service_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(socket.AF_INET, 1, 6, "", (each, 80)) for each in ("203.0.113.7", "169.254.169.254")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: answers)
    with pytest.raises(VaultRefused, match="metadata"):
        HashiCorpVault("http://vault.example.com", GOOD).read("shop/database", None)


@pytest.mark.parametrize("host", ["169.254.169.254", "168.63.129.16", "[fd00:ec2::254]", "[fe80::1]", "224.0.0.1"])
def test_an_address_where_no_store_is_is_refused_at_once(host: str) -> None:
    with pytest.raises(BadVaultAddress, match="no store is there"):
        check_address(f"http://{host}:8200")


def test_the_server_is_asked_by_the_name_that_was_written(vault: Vault) -> None:
    named = vault.address.replace("127.0.0.1", "localhost")
    HashiCorpVault(named, GOOD).read("shop/database", None)
    assert f"http://{vault.asked[0].headers['host']}" == named


def test_a_version_is_asked_for_by_its_number(vault: Vault) -> None:
    assert HashiCorpVault(vault.address, GOOD).read("shop/database", 1) == {"password": "first"}
    assert vault.asked[0].path == "/v1/secret/data/shop/database?version=1"


def test_mount_and_path_are_quoted_and_a_namespace_is_a_header(vault: Vault) -> None:
    vault.namespace = "admin/shop"
    reader = HashiCorpVault(f"{vault.address}/", GOOD, mount="team kv", namespace="admin/shop")
    assert reader.read("a b", None) == {"value": "x"}
    assert vault.asked[0].headers["x-vault-namespace"] == "admin/shop"


def test_an_approle_signs_in_first_and_its_token_reads(vault: Vault) -> None:
    reader = HashiCorpVault(vault.address, AppRoleSignIn("role-1", "secret-1"))
    assert reader.read("shop/database", None)["password"] == "second"
    login, read = vault.asked
    assert (login.method, login.path) == ("POST", "/v1/auth/approle/login")
    assert login.body == {"role_id": "role-1", "secret_id": "secret-1"}
    assert "x-vault-token" not in login.headers
    assert read.headers["x-vault-token"] == "hvs.of-the-role"


def test_an_approle_that_is_not_taken_is_said_without_its_secret(vault: Vault) -> None:
    with pytest.raises(VaultRefused, match="AppRole") as refused:
        HashiCorpVault(vault.address, AppRoleSignIn("role-1", "wrong-secret")).read("shop/database", None)
    assert "wrong-secret" not in refused.value.detail + refused.value.next_step


@pytest.mark.parametrize(
    ("path", "version", "said"),
    [
        ("missing", None, "has no secret/missing"),
        ("shop/database", 9, "version 9"),
        ("gone", None, "it was deleted"),
    ],
)
def test_what_is_not_there_is_said_with_what_to_do(vault: Vault, path: str, version: int | None, said: str) -> None:
    with pytest.raises(VaultRefused, match=said) as refused:
        HashiCorpVault(vault.address, GOOD).read(path, version)
    assert refused.value.next_step


def test_a_policy_that_does_not_allow_it_is_named(vault: Vault) -> None:
    vault.forbidden = {"/v1/secret/data/shop/database"}
    with pytest.raises(VaultRefused, match="403") as refused:
        HashiCorpVault(vault.address, GOOD).read("shop/database", None)
    assert "read on secret/data/shop/database" in refused.value.next_step


def test_a_token_that_is_not_taken_shows_in_no_error(vault: Vault) -> None:
    with pytest.raises(VaultRefused) as refused:
        HashiCorpVault(vault.address, TokenSignIn("hvs.stolen")).read("shop/database", None)
    assert "hvs.stolen" not in f"{refused.value.detail}{refused.value.next_step}{refused.value.__cause__!r}"


@pytest.mark.parametrize("status", [412, 429, 472, 473, 500, 502, 503])
def test_what_passes_is_a_matter_of_trying_again(vault: Vault, status: int) -> None:
    vault.fails = [status]
    reader = HashiCorpVault(vault.address, GOOD)
    with pytest.raises(VaultUnavailable, match=str(status)):
        reader.read("shop/database", None)
    assert reader.read("shop/database", None)["password"] == "second"


def test_a_server_that_is_away_is_a_matter_of_trying_again_and_keeps_the_token() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(VaultUnavailable) as away:
            HashiCorpVault(address, GOOD, seconds=2).read("shop/database", None)
    assert away.value.__cause__ is None
    assert "hvs.good" not in away.value.detail


def test_a_server_that_never_answers_takes_bounded_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(VaultUnavailable, match="Timeout"):
            HashiCorpVault(address, GOOD, seconds=0.3).read("shop/database", None)


def test_a_redirect_is_not_followed_with_the_token(vault: Vault) -> None:
    vault.fails = [307]
    with pytest.raises(VaultRefused, match="307"):
        HashiCorpVault(vault.address, GOOD).read("shop/database", None)
    assert len(vault.asked) == 1


def test_an_engine_of_version_1_is_said_to_be_none(vault: Vault) -> None:
    vault.entries["/v1/secret/data/old"] = [{"x": "y"}]
    vault.first_engine = True
    with pytest.raises(VaultRefused, match="version 2"):
        HashiCorpVault(vault.address, GOOD).read("old", None)


@pytest.mark.parametrize(
    "path",
    ["", "/a", "a/", "a//b", "../sys/mounts", "a/../b", "a/./b", "a?version=1", "a#b", "a%2fb", "a\nb", "x" * 501],
)
def test_a_path_that_could_lead_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(BadVaultPath):
        check_path(path)


@pytest.mark.parametrize("address", ["", "vault", "ftp://v", "http://", "http://u:p@v", "http://v?x=1", "file:///etc"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(BadVaultAddress):
        check_address(address)
