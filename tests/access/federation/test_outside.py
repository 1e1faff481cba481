"""Requests to servers that may be slow, hostile, or pointed at our own network."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Iterator

import pytest

from highroad.access.federation import outside
from highroad.access.federation.failures import BadProvider, ProviderMisbehaves, ProviderUnreachable
from highroad.access.federation.outside import LARGEST, Outside, require_issuer
from tests.access.federation.provider import Provider

PATH = "/.well-known/openid-configuration"


def get(issuer: str, url: str, seconds: float = 5.0) -> dict[str, object]:
    return asyncio.run(Outside(issuer, seconds=seconds).get(url))


def test_an_object_is_fetched(provider: Provider) -> None:
    assert get(provider.url, f"{provider.url}{PATH}")["issuer"] == provider.url


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_never_followed(provider: Provider, status: int) -> None:
    provider.answers[PATH] = (status, {"Location": f"{provider.url}/elsewhere"}, b"")
    with pytest.raises(ProviderMisbehaves, match="redirect"):
        get(provider.url, f"{provider.url}{PATH}")
    assert provider.asked["/elsewhere"] == 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"a": "' + b"x" * LARGEST + b'"}', "more than"),
        (b"<html>", "no JSON"),
        (b"[1]", "no object"),
        (b"[" * 100_000, "no JSON"),
        (b"\xff\xfe", "no JSON"),
    ],
)
def test_answers_that_are_no_small_object_are_refused(provider: Provider, body: bytes, said: str) -> None:
    provider.answers[PATH] = (200, {}, body)
    with pytest.raises(ProviderMisbehaves, match=said):
        get(provider.url, f"{provider.url}{PATH}")


def test_a_compressed_answer_is_not_unpacked(provider: Provider) -> None:
    """A few bytes of it could become gigabytes."""
    provider.answers[PATH] = (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b\x08\x00" + b"\x00" * 50)
    with pytest.raises(ProviderMisbehaves, match="no JSON"):
        get(provider.url, f"{provider.url}{PATH}")


def test_other_answers_name_their_status_and_not_their_text(provider: Provider) -> None:
    provider.answers[PATH] = (404, {}, b'{"error": "a secret detail"}')
    with pytest.raises(ProviderMisbehaves) as refused:
        get(provider.url, f"{provider.url}{PATH}?code=secret")
    assert "404" in refused.value.detail
    assert "secret" not in refused.value.detail


def test_nobody_listening_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(ProviderUnreachable, match=str(port)):
        get(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}/x")


@pytest.fixture
def dripping() -> Iterator[str]:
    """A server that sends a header line now and then, and never ends: each read gets something."""
    stop = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while not stop.wait(0.02):
                try:
                    connection.sendall(b"X-More: x\r\n")
                except OSError:
                    return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}"
    stop.set()
    server.close()
    thread.join(5)


def test_the_whole_of_a_request_has_a_deadline(dripping: str) -> None:
    with pytest.raises(ProviderUnreachable, match=r"within 0\.3 seconds"):
        get(dripping, f"{dripping}/x", seconds=0.3)


# Addresses


def get_at(url: str, issuer: str = "https://login.example.com", **known: str) -> None:
    """Ask for the issuer where names mean what `known` says, by their first label."""

    async def resolve(host: str, port: int) -> list[outside.Address]:
        found = ipaddress.ip_address(known[host.partition(".")[0]])
        return [getattr(found, "ipv4_mapped", None) or found]

    asyncio.run(Outside(issuer, seconds=1, resolve=resolve).get(url))


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")


@pytest.mark.usefixtures("no_proxy")
@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "192.168.0.1", "::1", "fd00::1", "::ffff:10.0.0.1"])
def test_a_provider_out_there_names_no_server_in_here(address: str) -> None:
    with pytest.raises(ProviderMisbehaves, match="internal network"):
        get_at("https://inside.example.com/keys", login="93.184.215.14", inside=address)


@pytest.mark.usefixtures("no_proxy")
@pytest.mark.parametrize(
    "address", ["169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0", "168.63.129.16", "fd00:ec2::254"]
)
def test_nobody_is_at_an_address_where_clouds_keep_credentials(address: str) -> None:
    with pytest.raises(ProviderMisbehaves, match="no identity provider"):
        get_at("https://login.example.com/keys", login=address)


@pytest.mark.usefixtures("no_proxy")
def test_a_provider_in_the_company_may_name_its_neighbours() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(ProviderUnreachable):  # it was let through, and nobody listens
        get_at(f"https://keys.example.com:{port}/keys", login="10.0.0.5", keys="127.0.0.1")


@pytest.mark.parametrize(
    "url", ["http://login.example.com/keys", "ftp://x/y", "https://user@x/y", "https://x/y#z", "//x", "javascript:1"]
)
def test_only_https_addresses_are_asked(url: str) -> None:
    with pytest.raises(ProviderMisbehaves):
        get("https://login.example.com", url)


@pytest.mark.parametrize(
    "issuer", ["https://login.example.com", "https://x.example/realms/a/", "http://localhost:9400", "http://[::1]:9"]
)
def test_an_issuer_is_an_https_address_or_this_machine(issuer: str) -> None:
    assert require_issuer(issuer) == issuer


@pytest.mark.parametrize(
    "issuer",
    [
        "",
        "http://login.example.com",
        "login.example.com",
        "https://x/?a=b",
        "https://x/#f",
        "https://a:b@x/",
        "https://x/ y",
        "https://x:port/",
        "https://" + "x" * 500,
        "http://127.0.0.1.example.com",
    ],
)
def test_what_is_no_issuer_is_refused(issuer: str) -> None:
    with pytest.raises(BadProvider):
        require_issuer(issuer)
