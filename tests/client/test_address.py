"""What people type and what it means."""

from __future__ import annotations

import pytest

from highroad.client.address import BadUrl, is_plain_and_remote, normal_url


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("http://localhost:8080/", "http://localhost:8080"),
        ("HTTP://LocalHost:8080/projects?x=1", "http://localhost:8080"),
        ("localhost:8080", "http://localhost:8080"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("highroad.example.com", "https://highroad.example.com"),
        ("https://highroad.example.com:443", "https://highroad.example.com"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_addresses_have_one_normal_form(typed: str, meant: str) -> None:
    assert normal_url(typed) == meant


@pytest.mark.parametrize("typed", ["", "ftp://x", "http://", "http://a b", "http://h:99999", "http://u:p@h"])
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(BadUrl):
        normal_url(typed)


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(BadUrl) as caught:
        normal_url("http://me:s3cret@host")
    assert "s3cret" not in caught.value.detail


def test_plain_http_to_another_machine_is_known_as_such() -> None:
    assert is_plain_and_remote("http://highroad.example.com")
    assert not is_plain_and_remote("http://localhost:8080")
    assert not is_plain_and_remote("https://highroad.example.com")
