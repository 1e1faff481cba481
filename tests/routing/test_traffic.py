"""What requests meet: no loss while routes change, streams, uploads, pages in words, and no way around the host."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from websockets.exceptions import InvalidMessage
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

from highroad.routing.caddy import CaddyRouter
from highroad.routing.model import Route

from .conftest import App, Caddy, control_plane, until

HOST = "web.production.shop.localhost"
HTML = {"Accept": "text/html,*/*"}


def route(*apps: App) -> Route:
    return Route("svc", HOST, tuple(app.upstream for app in apps))


class Load:
    """Requests without pause from one thread, over new connections or a kept one; `failures` is what went wrong."""

    def __init__(self, caddy: Caddy, *, keep: bool) -> None:
        self.caddy, self.keep, self.answered = caddy, keep, 0
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Load:
        self._thread.start()
        until(lambda: self.answered > 0)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        kept = http.client.HTTPConnection("127.0.0.1", self.caddy.port, timeout=30) if self.keep else None
        while not self._stop.is_set():
            try:
                answer = self.caddy.ask(HOST, keep=kept)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
            else:
                if answer.text not in ("blue", "green"):
                    self.failures.append(f"{answer.status} {answer.text}")
            self.answered += 1
        if kept:
            kept.close()


@pytest.fixture
def echo() -> Iterator[int]:
    """Port of a WebSocket server that sends back what it gets."""

    def handler(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    with serve(handler, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield int(server.socket.getsockname()[1])
        server.shutdown()
        thread.join()


def test_over_50_loads_nobody_gets_a_wrong_answer(caddy: Caddy, router: CaddyRouter, blue: App) -> None:
    """A load may close a connection that was accepted but not read yet (see `config`); it never answers in error."""
    router.apply([route(blue)])
    with Load(caddy, keep=False) as load:
        for number in range(50):
            router.apply([route(blue), Route("other", f"other{number}.localhost")])
    assert [
        failure for failure in load.failures if not failure.startswith(("RemoteDisconnected", "ConnectionReset"))
    ] == []
    assert len(load.failures) <= 5


def test_no_request_fails_over_50_redeploys_even_on_a_kept_connection(
    caddy: Caddy, router: CaddyRouter, blue: App, green: App
) -> None:
    router.apply([route(blue)])
    with Load(caddy, keep=True) as kept, Load(caddy, keep=False) as fresh:
        for app in [green, blue] * 25:
            before = kept.answered
            router.apply([route(app)])
            until(lambda count=before: kept.answered > count)  # type: ignore[misc]
    assert kept.failures == fresh.failures == []


def _connected(caddy: Caddy) -> ClientConnection:
    """A WebSocket. In the moment after a load Caddy can drop a connection that it has not read from yet."""
    for _ in range(5):
        with contextlib.suppress(InvalidMessage):
            socket_ = socket.create_connection(("127.0.0.1", caddy.port))
            return connect(f"ws://ws.localhost:{caddy.port}/", sock=socket_)
    raise AssertionError("no WebSocket in five attempts")


def test_a_long_request_and_a_websocket_survive_20_loads(
    caddy: Caddy, router: CaddyRouter, blue: App, echo: int
) -> None:
    sockets = Route("ws", "ws.localhost", (f"127.0.0.1:{echo}",))
    router.apply([route(blue), sockets])
    with ThreadPoolExecutor(1) as pool, _connected(caddy) as ws:
        slow = pool.submit(caddy.ask, HOST, "/slow/5.5")
        assert blue.entered.wait(10)
        for number in range(20):
            router.apply([Route("other", f"other{number}.localhost")])
            ws.send(str(number))
            assert ws.recv(timeout=10) == str(number)
        assert router.in_flight() == {blue.upstream: 1, f"127.0.0.1:{echo}": 1}
        assert slow.result(20).text == "blue"  # longer than the grace period of five seconds


def test_server_sent_events_arrive_one_by_one(caddy: Caddy, router: CaddyRouter, blue: App) -> None:
    router.apply([route(blue)])
    connection = http.client.HTTPConnection("127.0.0.1", caddy.port, timeout=10)
    connection.request("GET", "/events", headers={"Host": HOST})
    response = connection.getresponse()
    for number in range(3):
        assert response.readline() == f"data: {number}\n".encode()
        assert response.readline() == b"\n"
        blue.release.set()
    assert response.read() == b""
    connection.close()


def test_an_upload_of_100_mb_is_streamed(caddy: Caddy, router: CaddyRouter, blue: App) -> None:
    router.apply([route(blue)])
    block, blocks = bytes(range(256)) * 4096, 100
    connection = http.client.HTTPConnection("127.0.0.1", caddy.port, timeout=30)
    connection.putrequest("POST", "/", skip_host=True)
    connection.putheader("Host", HOST)
    connection.putheader("Content-Length", str(len(block) * blocks))
    connection.endheaders()
    connection.send(block)
    until(lambda: blue.received > 0)  # arrives while most of it is still to be sent
    for _ in range(blocks - 1):
        connection.send(block)
    assert connection.getresponse().read().decode() == hashlib.sha256(block * blocks).hexdigest()
    connection.close()
    memory = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{caddy.process.pid}/status").read_text())
    assert memory is not None
    assert int(memory[1]) < 150_000


def test_http_2_without_tls_is_spoken(caddy: Caddy, router: CaddyRouter, blue: App) -> None:
    router.apply([route(blue)])

    def literal_header(name: str, value: str) -> bytes:  # RFC 7541, 6.2.2, without Huffman coding
        return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()

    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:  # RFC 9113, 4.1
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    pairs = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", HOST)]
    request = b"".join(literal_header(*pair) for pair in pairs)
    with socket.create_connection(("127.0.0.1", caddy.port), timeout=10) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 5, 1, request))
        received = b""
        while frame(0, 1, 1, b"blue") not in received and frame(0, 0, 1, b"blue") not in received:
            received += connection.recv(65536)
        connection.sendall(frame(7, 0, 0, bytes(8)))


def test_a_dead_instance_costs_no_request_while_another_lives(caddy: Caddy, router: CaddyRouter, blue: App) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        dead = f"127.0.0.1:{unused.getsockname()[1]}"
    router.apply([Route("svc", HOST, (dead, blue.upstream))])
    for _ in range(20):
        answer = caddy.ask(HOST, method="POST", body=b"whole")
        assert answer.text == hashlib.sha256(b"whole").hexdigest()


def test_requests_wait_for_an_instance_that_restarts(caddy: Caddy, router: CaddyRouter, blue: App) -> None:
    router.apply([Route("svc", HOST, ("127.0.0.1:1",))])
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(caddy.ask, HOST)
        time.sleep(0.1)
        router.apply([route(blue)])
        assert asked.result(10).text == "blue"


def test_what_an_app_broke_off_is_not_repeated(caddy: Caddy, router: CaddyRouter, blue: App) -> None:
    router.apply([route(blue)])
    answer = caddy.ask(HOST, "/break", headers=HTML)
    assert answer.status == 502
    assert "did not finish its answer" in answer.text
    assert blue.broken == 1


def test_a_dead_service_gets_a_page_and_clients_get_text(caddy: Caddy, router: CaddyRouter) -> None:
    router.apply([Route("svc", HOST, ("127.0.0.1:1",))])
    page, text = caddy.ask(HOST, headers=HTML), caddy.ask(HOST)
    assert (page.status, page.headers["Retry-After"]) == (502, "2")
    assert f"<code>{HOST}</code>" in page.text
    assert text.headers["Content-Type"].startswith("text/plain")
    assert "highroad logs" in text.text


def test_a_service_without_instances_says_why_and_when_to_come_back(caddy: Caddy, router: CaddyRouter) -> None:
    router.apply([Route("svc", HOST, message="Stopped by <Ada>. {env.HOME} {file./etc/passwd}")])
    page, text = caddy.ask(HOST, headers=HTML), caddy.ask(HOST)
    assert (page.status, page.headers["Retry-After"]) == (503, "10")
    assert "Stopped by &lt;Ada&gt;. &#123;env.HOME&#125; &#123;file./etc/passwd&#125;" in page.text
    assert "Stopped by <Ada>. (env.HOME) (file./etc/passwd)" in text.text


def test_an_unknown_name_is_said_and_helped_with(caddy: Caddy, router: CaddyRouter) -> None:
    router.apply([])
    page = caddy.ask("wbe.production.shop.localhost:8080", headers=HTML)
    assert page.status == 404
    assert "<code>wbe.production.shop</code>" in page.text
    assert "highroad status" in page.text


def test_the_portal_answers_at_its_domain_and_at_addresses(caddy: Caddy) -> None:
    with control_plane(caddy.settings):
        hosts = ["localhost", f"localhost:{caddy.port}", "LOCALHOST", "127.0.0.1", "10.1.2.3:80", "[::1]:80", "[::1]"]
        assert {caddy.ask(host).text for host in hosts} == {"portal"}


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "xlocalhost", "localhost.", "evil:x:y"]
)
def test_foreign_hosts_never_reach_the_portal(caddy: Caddy, host: str) -> None:
    with control_plane(caddy.settings):
        assert caddy.ask(host).status in (400, 404)


@pytest.mark.parametrize(
    "request_head",
    [
        f"GET / HTTP/1.1\r\nHost: evil.example\r\nHost: {HOST}\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: {HOST}\r\nConnection: close\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: {HOST}@evil.example\r\nConnection: close\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: {HOST}, evil.example\r\nConnection: close\r\n\r\n",
    ],
)
def test_tricks_with_the_host_reach_nobody(caddy: Caddy, router: CaddyRouter, blue: App, request_head: str) -> None:
    router.apply([route(blue)])
    with control_plane(caddy.settings):
        answer = caddy.raw(request_head.encode())
    assert re.match(rb"HTTP/1\.[01] 40[04] ", answer), answer
    assert b"blue" not in answer


def test_apps_learn_the_real_client_and_not_what_it_claims(caddy: Caddy, router: CaddyRouter, blue: App) -> None:
    router.apply([route(blue)])
    claims = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil", "X-Real-IP": "6"}
    seen = caddy.ask(f"{HOST}:8080", "/headers", headers={**claims, "Forwarded": "for=6.6.6.6"}).text.splitlines()
    assert {f"Host: {HOST}:8080", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http"} <= set(seen)
    assert not [line for line in seen if line.startswith(("Forwarded", "X-Real")) or "evil" in line or "6.6" in line]


def test_requests_wait_while_the_control_plane_restarts(caddy: Caddy) -> None:
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(caddy.ask, "localhost", method="POST", body=b"push") for _ in range(4)]
        time.sleep(0.1)
        with control_plane(caddy.settings):
            assert {each.result(10).text for each in asked} == {hashlib.sha256(b"push").hexdigest()}


def test_a_control_plane_that_stays_away_is_explained(caddy: Caddy) -> None:
    with ThreadPoolExecutor(2) as pool:
        api = pool.submit(caddy.ask, "localhost", "/api/v1/projects")
        page = pool.submit(caddy.ask, "localhost", "/", headers=HTML)
    assert (api.result().status, api.result().headers["Content-Type"]) == (503, "application/problem+json")
    assert (page.result().status, page.result().headers["Retry-After"]) == (503, "2")
    assert "Highroad is not answering" in page.result().text


def test_own_domains_and_wildcards_lead_to_their_services(
    caddy: Caddy, router: CaddyRouter, blue: App, green: App
) -> None:
    router.apply([Route("a", "*.example.org", (blue.upstream,)), Route("b", "shop.example.org", (green.upstream,))])
    assert caddy.ask("Shop.Example.org:80").text == "green"
    assert caddy.ask("any.example.org").text == "blue"
    assert caddy.ask("a.b.example.org").status == caddy.ask("example.org").status == 404


@pytest.fixture
def site(caddy: Caddy, router: CaddyRouter, tmp_path: Path) -> Path:
    root = tmp_path / "a {b} site"
    files = {"index.html": "home", "sub/index.html": "sub", ".git/config": "secret", ".env": "secret"}
    for name, text in {**files, ".well-known/security.txt": "contact", "sub/.env": "secret"}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (tmp_path / "secret").write_text("secret")
    (root / "leak").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to(tmp_path)
    (root / "alias").symlink_to(".git")
    router.apply([Route("s", "site.localhost", directory=str(root))])
    return root


def test_a_site_serves_files_directories_and_well_known(caddy: Caddy, site: Path) -> None:
    assert caddy.ask("site.localhost", "/").text == "home"
    assert caddy.ask("site.localhost", "/sub").headers["Location"] == "/sub/"
    assert caddy.ask("site.localhost", "/sub/").text == "sub"
    assert caddy.ask("site.localhost", "/.well-known/security.txt").text == "contact"
    assert caddy.ask("site.localhost", "/", method="POST").status == 405


@pytest.mark.parametrize(
    "path",
    [
        "/.git/config", "/%2egit/config", "/.env", "/sub/.env", "/sub//.env", "/.well-known/../.git/config",
        "/.well-known/%2e%2e/.env", "/alias/config",
        "/leak", "/up/secret", "/../secret", "/..%2fsecret", "/%2e%2e/secret",
        "//..//secret", "/sub/..%2f..%2fsecret", "/..\\secret", "/leak/", "/./leak", "/LEAK/..%2fleak", "/\x00secret",
    ],
)  # fmt: skip
def test_nothing_but_the_site_can_be_read(caddy: Caddy, site: Path, path: str) -> None:
    head = f"GET {path} HTTP/1.1\r\nHost: site.localhost\r\nConnection: close\r\n\r\n"
    answer = caddy.raw(head.encode())
    assert b"secret" not in answer.partition(b"\r\n\r\n")[2]
    assert re.match(rb"HTTP/1\.1 (400|404|308) ", answer), answer


def test_a_redirect_of_a_site_never_leaves_it(caddy: Caddy, site: Path) -> None:
    assert caddy.ask("site.localhost", "//evil.example/..//sub").headers["Location"].startswith("/sub")


def test_a_sites_own_page_for_missing_files_is_used(caddy: Caddy, router: CaddyRouter, site: Path) -> None:
    assert "no file at this address" in caddy.ask("site.localhost", "/nope").text
    (site / "404.html").write_text("our own")
    missing = caddy.ask("site.localhost", "/nope")
    assert (missing.status, missing.text) == (404, "our own")


def test_a_cached_file_of_another_artifact_is_never_taken_for_fresh(
    caddy: Caddy, router: CaddyRouter, tmp_path: Path
) -> None:
    """Reproducible builds give equal times and often equal sizes."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(name)
    for file in tmp_path.glob("*/index.html"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
    router.apply([Route("s", "site.localhost", directory=str(tmp_path / "one"))])
    tag = caddy.ask("site.localhost").headers["Etag"]
    assert caddy.ask("site.localhost", headers={"If-None-Match": tag}).status == 304
    router.apply([Route("s", "site.localhost", directory=str(tmp_path / "two"))])
    fresh = caddy.ask(
        "site.localhost", headers={"If-None-Match": tag, "If-Modified-Since": "Fri, 01 Jan 2038 00:00:00 GMT"}
    )
    assert (fresh.status, fresh.text) == (200, "two")


def test_caddys_log_names_no_request(caddy: Caddy, router: CaddyRouter, blue: App) -> None:
    router.apply([route(blue)])
    with pytest.raises(http.client.IncompleteRead):
        caddy.ask(HOST, "/cut/one-time-token")
    log = caddy.settings.logs / "caddy.log"
    until(lambda: "unexpected EOF" in log.read_text())
    assert "one-time-token" not in log.read_text()
