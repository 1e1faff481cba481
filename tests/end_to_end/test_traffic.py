"""Nobody notices a redeploy: not a new connection, not one kept alive, not a long request, not a WebSocket."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from websockets.sync.client import connect

from tests.end_to_end.apps import web
from tests.end_to_end.installation import Developer, Installation

REDEPLOYS = 4
PER_SECOND = 50.0


@dataclass
class Load:
    """Clients that ask until they are stopped; `failures` is what went wrong, `answered` how many did not."""

    developer: Developer
    failures: list[str] = field(default_factory=list)
    answered: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def run(self, client: Callable[[], None]) -> None:
        def work() -> None:
            try:
                client()
            except Exception as error:
                self.failures.append(f"{client.__name__}: {type(error).__name__}: {error}")

        self.threads.append(threading.Thread(target=work))
        self.threads[-1].start()

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.developer.installation.port, timeout=15)

    def ask(self, connection: http.client.HTTPConnection, path: str = "/") -> None:
        connection.request("GET", path, headers={"Host": f"{self.developer.host}"})
        response = connection.getresponse()
        response.read()
        assert response.status == 200, f"{path} answered {response.status}"
        self.answered += 1

    def new_connections(self) -> None:
        while not self.stopping.wait(1 / PER_SECOND):
            with contextlib.closing(self.connection()) as connection:
                self.ask(connection)

    def kept_alive(self) -> None:
        with contextlib.closing(self.connection()) as connection:
            while not self.stopping.wait(1 / PER_SECOND):
                self.ask(connection)

    def long_requests(self) -> None:
        while not self.stopping.is_set():
            with contextlib.closing(self.connection()) as connection:
                self.ask(connection, "/slow")

    def websocket(self) -> None:
        installation = self.developer.installation
        line = socket.create_connection(("127.0.0.1", installation.port))
        with connect(f"ws://{self.developer.host}/", sock=line, proxy=None) as talk:
            number = 0
            while not self.stopping.wait(0.05):
                number += 1
                talk.send(f"{number}")
                assert talk.recv(timeout=10) == f"{number}"

    def stop(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()


def test_no_request_fails_while_versions_change(installation: Installation) -> None:
    developer = installation.developer(web("0"))
    load = Load(developer)
    for client in (load.new_connections, load.kept_alive, load.long_requests, load.websocket):
        load.run(client)
    try:
        for version in range(1, REDEPLOYS + 1):
            assert "is live" in developer.ship(web(str(version)))
            assert developer.get() == (200, str(version))
    finally:
        load.stop()
    assert load.failures == []
    assert load.answered > 50
