"""Requests: what is sent, what is sent again, and what every failure becomes."""

from __future__ import annotations

import socket
import subprocess
import threading
from pathlib import Path

import pytest

from highroad.client.api import Client, path_of
from highroad.client.problems import (
    ApiProblem,
    CertificateRefused,
    ConnectionLost,
    NotHighroad,
    NothingAnswers,
    TookTooLong,
    UnknownHost,
    Unreachable,
)
from tests.client.canned import Canned


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_request_carries_the_token_and_yields_the_object(canned: Canned, client: Client) -> None:
    canned.answer("GET", "/me", {"email": "ada@example.com"})
    assert client.get("/me") == {"email": "ada@example.com"}
    assert canned.requests[0].headers["Authorization"] == "Bearer hr_secret"


def test_parameters_without_a_value_are_not_sent(canned: Canned, client: Client) -> None:
    canned.answer("GET", "/events", {"items": []})
    client.get("/events", project=None, page_size=5, type="a b")
    assert canned.requests[0].query == {"page_size": "5", "type": "a b"}


def test_a_problem_document_becomes_an_error_with_its_words(canned: Canned, client: Client) -> None:
    canned.problem("POST", "/projects", 422, "not-a-label", errors=[{"pointer": "/name", "detail": "bad"}])
    with pytest.raises(ApiProblem) as caught:
        client.post("/projects", {"name": "A b"})
    assert (caught.value.detail, caught.value.next_step) == ("A detail.", "Do this.")
    assert (caught.value.answered, caught.value.problem_code) == (422, "not-a-label")
    assert caught.value.errors[0].pointer == "/name"


def test_a_post_whose_answer_was_lost_is_sent_again_with_the_same_key(canned: Canned, client: Client) -> None:
    canned.answer("POST", "/projects", drop=True)
    canned.answer("POST", "/projects", {"name": "shop"}, 201)
    assert client.post("/projects", {"name": "shop"})["name"] == "shop"
    first, second = (each.headers["Idempotency-Key"] for each in canned.requests)
    assert first == second


def test_two_posts_have_different_keys(canned: Canned, client: Client) -> None:
    canned.answer("POST", "/projects", {})
    client.post("/projects")
    client.post("/projects")
    assert len({each.headers["Idempotency-Key"] for each in canned.requests}) == 2


def test_a_restart_of_the_control_plane_is_bridged(canned: Canned, client: Client, waits: list[float]) -> None:
    canned.answer("GET", "/me", "bad gateway", 502)
    canned.problem("GET", "/me", 503)
    canned.answer("GET", "/me", {"id": "usr_1"})
    assert client.get("/me") == {"id": "usr_1"}
    assert waits == [0.25, 0.5]


def test_a_control_plane_that_stays_away_is_said_to_be_away(canned: Canned, client: Client, waits: list[float]) -> None:
    canned.answer("GET", "/me", "bad gateway", 502)
    with pytest.raises(Unreachable, match="control plane behind it does not"):
        client.get("/me")
    assert sum(waits) < 5


def test_a_patch_whose_answer_was_lost_is_not_sent_again(canned: Canned, client: Client) -> None:
    canned.answer("PATCH", "/users/u", drop=True)
    with pytest.raises(ConnectionLost):
        client.patch("/users/u", {"active": False})
    assert len(canned.requests) == 1


def test_a_deletion_whose_answer_was_lost_counts_when_it_is_gone(canned: Canned, client: Client) -> None:
    canned.answer("DELETE", "/tokens/t", drop=True)
    canned.problem("DELETE", "/tokens/t", 404)
    client.delete("/tokens/t")


def test_deleting_what_never_was_is_not_found(canned: Canned, client: Client) -> None:
    canned.problem("DELETE", "/tokens/t", 404)
    with pytest.raises(ApiProblem):
        client.delete("/tokens/t")


def test_an_entity_tag_comes_back_as_if_match(canned: Canned, client: Client) -> None:
    canned.answer("GET", "/projects/p", {}, headers={"ETag": '"7"'})
    canned.answer("DELETE", "/projects/p", status=204)
    client.delete("/projects/p", if_match=client.fetch("/projects/p").etag)
    assert canned.requests[1].headers["If-Match"] == '"7"'


def test_items_walks_all_pages(canned: Canned, client: Client) -> None:
    canned.answer("GET", "/runs", {"items": [{"n": 1}, {"n": 2}], "next_page_token": "two"})
    canned.answer("GET", "/runs", {"items": [{"n": 3}], "next_page_token": None})
    assert [each["n"] for each in client.items("/runs")] == [1, 2, 3]
    assert canned.requests[1].query["page_token"] == "two"


def test_items_stops_at_its_limit(canned: Canned, client: Client) -> None:
    canned.answer("GET", "/runs", {"items": [{"n": 1}, {"n": 2}], "next_page_token": "two"})
    assert [each["n"] for each in client.items("/runs", limit=1)] == [1]
    assert canned.requests[0].query["page_size"] == "1"


def test_a_port_where_nothing_listens_asks_whether_highroad_is_up() -> None:
    with Client(f"http://localhost:{closed_port()}") as client, pytest.raises(NothingAnswers) as caught:
        client.get("/system")
    assert "Nothing answers at http://localhost:" in caught.value.detail
    assert "highroad up" in caught.value.next_step


def test_an_unknown_name_is_said_to_be_unknown() -> None:
    with Client("http://no-such-host.invalid") as client, pytest.raises(UnknownHost):
        client.get("/system")


def test_a_name_under_localhost_is_this_machine_whatever_the_resolver_says(canned: Canned) -> None:
    canned.answer("GET", "/system", {"version": "1"})
    url = canned.url.replace("localhost", "one.two.localhost")
    with Client(url) as client:
        assert client.get("/system") == {"version": "1"}
    assert canned.requests[0].headers["Host"] == url.removeprefix("http://")


def test_a_proxy_of_the_environment_does_not_see_this_machine(canned: Canned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    canned.answer("GET", "/system", {})
    with Client(canned.url) as client:
        assert client.get("/system") == {}


def test_a_server_that_never_answers_takes_too_long() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with Client(url, timeout=0.05, attempts=1) as client, pytest.raises(TookTooLong, match=r"within 0\.05 s"):
            client.get("/system")


def test_another_server_is_not_taken_for_highroad(canned: Canned, client: Client) -> None:
    canned.answer("GET", "/me", [1, 2])
    canned.answer("GET", "/system", status=302, headers={"Location": "https://elsewhere.example"})
    with pytest.raises(NotHighroad):
        client.get("/me")
    with pytest.raises(NotHighroad, match=r"https://elsewhere\.example"):
        client.get("/system")


def test_a_certificate_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    import ssl

    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subject = ("-subj", "/CN=localhost", "-days", "1", "-keyout", str(key), "-out", str(certificate))
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject], capture_output=True)
    if made.returncode != 0:
        pytest.skip("openssl cannot make a certificate here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_handshake, args=(listener, context), daemon=True)
        thread.start()
        with Client(f"https://localhost:{listener.getsockname()[1]}") as client, pytest.raises(CertificateRefused):
            client.get("/system")
        thread.join()


def _handshake(listener: socket.socket, context: object) -> None:
    import ssl

    assert isinstance(context, ssl.SSLContext)
    connection, _ = listener.accept()
    try:
        context.wrap_socket(connection, server_side=True).close()
    except (ssl.SSLError, OSError):
        connection.close()


def test_a_name_cannot_leave_its_place_in_a_path() -> None:
    assert path_of("projects", "../users", "a b?c") == "/projects/..%2Fusers/a%20b%3Fc"
