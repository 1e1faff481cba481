"""Which hosts a destination may name."""

from __future__ import annotations

import socket

import pytest

from highroad.audit.addresses import AddressRefused, BadDestination, parse, resolve
from highroad.errors import Temporary


def test_a_url_is_taken_apart() -> None:
    found = parse("https://siem.example.com/in?token=1")
    assert (found.kind, found.transport, found.host, found.port) == ("webhook", "https", "siem.example.com", 443)
    assert found.path == "/in?token=1"


@pytest.mark.parametrize(
    ("url", "port"), [("syslog+udp://logs", 514), ("syslog+tcp://logs", 601), ("syslog+tls://[::1]:7000/", 7000)]
)
def test_syslog_has_its_usual_ports(url: str, port: int) -> None:
    assert (parse(url).kind, parse(url).port, parse(url).path) == ("syslog", port, "")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://example.com",
        "file:///etc/passwd",
        "https://",
        "https://user:secret@example.com/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://example.com/\r\nx: y",
        "syslog+tcp://logs/path",
        "http://169.254.169.254/latest/meta-data/",
        "https://[fe80::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://0.0.0.0/",
        "https://" + "a" * 500,
    ],
)
def test_what_cannot_be_a_destination_is_refused_at_once(url: str) -> None:
    with pytest.raises(BadDestination) as raised:
        parse(url)
    assert "secret" not in raised.value.detail


def test_a_name_that_leads_to_a_refused_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(0, 0, 0, "", ("203.0.113.7", 443)), (0, 0, 0, "", ("169.254.169.254", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: answers)
    with pytest.raises(AddressRefused, match="link-local"):
        resolve("innocent.example.com", 443)


def test_the_address_that_was_looked_at_is_the_one_given() -> None:
    assert resolve("127.0.0.1", 80) == "127.0.0.1"
    with pytest.raises(Temporary, match="cannot be resolved"):
        resolve("does-not-exist.invalid", 80)
