"""The file with the tokens: private, replaced as a whole, and refused when others can read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from highroad.client.credentials import (
    Credentials,
    CredentialsDamaged,
    CredentialsExposed,
    CredentialsNotKept,
    Installation,
    token_from_environment,
)

ONE = Installation("http://localhost:8080", "hr_one", email="ada@example.com", token_id="tok_1")
TWO = Installation("https://highroad.example.com", "hr_two")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(tmp_path / "config")}


def test_nobody_is_signed_in_at_first(environ: dict[str, str]) -> None:
    assert Credentials.of(environ).current == ""


def test_a_sign_in_is_found_again_and_private(environ: dict[str, str]) -> None:
    Credentials.of(environ).keep(ONE)
    again = Credentials.of(environ)
    assert (again.find("localhost:8080/"), again.current) == (ONE, ONE.url)
    assert again.file.stat().st_mode & 0o777 == 0o600
    assert again.file.parent.stat().st_mode & 0o777 == 0o700


def test_the_last_sign_in_is_the_current_one_until_it_is_forgotten(environ: dict[str, str]) -> None:
    credentials = Credentials.of(environ)
    credentials.keep(ONE)
    credentials.keep(TWO)
    assert Credentials.of(environ).current == TWO.url
    credentials.forget(TWO.url)
    assert (Credentials.of(environ).current, Credentials.of(environ).find(TWO.url)) == (ONE.url, None)


def test_a_file_that_others_can_read_is_refused_with_the_cure(environ: dict[str, str]) -> None:
    credentials = Credentials.of(environ)
    credentials.keep(ONE)
    credentials.file.chmod(0o640)
    with pytest.raises(CredentialsExposed) as caught:
        Credentials.of(environ)
    assert "chmod 600" in caught.value.next_step


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 9}', '{"version": 1, "installations": {"u": {"x": 1}}}'])
def test_a_damaged_file_is_named_and_kept(environ: dict[str, str], text: str) -> None:
    credentials = Credentials.of(environ)
    credentials.keep(ONE)
    credentials.file.write_text(text)
    with pytest.raises(CredentialsDamaged, match=r"credentials\.json"):
        Credentials.of(environ)
    assert credentials.file.read_text() == text


def test_a_token_is_in_no_representation() -> None:
    assert "hr_one" not in repr(ONE)


def test_the_token_of_the_environment_goes_only_where_it_was_meant_for() -> None:
    both = {"HIGHROAD_URL": "http://localhost:8080/", "HIGHROAD_TOKEN": "hr_env"}
    assert token_from_environment(ONE.url, both) == "hr_env"
    assert token_from_environment(TWO.url, both) == ""
    assert token_from_environment(TWO.url, {"HIGHROAD_TOKEN": "hr_env"}) == "hr_env"


def test_a_file_that_cannot_be_written_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    credentials = Credentials.of(environ)
    (tmp_path / "config").write_text("not a directory")
    with pytest.raises(CredentialsNotKept, match=r"credentials\.json"):
        credentials.keep(ONE)
