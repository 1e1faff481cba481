"""A steady load in a process of its own: `python -m benchmarks.traffic PORT HOST RATE`, until its input ends.

Requests start on a fixed schedule whether or not earlier ones were answered, and their latency counts from when they
were due: a router that stands still for a second cannot hide it. Every other request has a connection of its own, the
rest share kept ones. Besides, one request of five seconds and one WebSocket are always open. The result is one JSON
object on standard output.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

PATIENCE = 20.0
MOST_OPEN = 500
ECHO_SECONDS = 0.1
GOING_AWAY = 1001


@dataclass(slots=True)
class Result:
    """`answered` holds pairs of wall clock time when due, and seconds until answered."""

    answered: list[tuple[float, float]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    slow: int = 0
    echoes: int = 0
    reconnects: int = 0


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Traffic:
    def __init__(self, port: int, host: str, rate: float) -> None:
        self._port, self._host, self._rate = port, host, rate
        self._kept: list[Connection] = []
        self._open = 0
        self.result = Result()
        self.stopping = False

    async def run(self) -> None:
        """Until `stopping`; then waits for what is still open."""
        began, number = time.perf_counter(), 0
        async with asyncio.TaskGroup() as group:
            group.create_task(self._slow())
            group.create_task(self._socket())
            while not self.stopping:
                due = began + number / self._rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                if self._open < MOST_OPEN:
                    group.create_task(self._request(due, keep=number % 2 == 0))
                else:
                    self.result.failed.append(f"{MOST_OPEN} requests are unanswered")
                number += 1

    async def _request(self, due: float, *, keep: bool) -> None:
        wall = time.time() - (time.perf_counter() - due)
        self._open += 1
        try:
            await asyncio.wait_for(self._exchange("/", keep=keep), PATIENCE)
            self.result.answered.append((wall, time.perf_counter() - due))
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            self.result.failed.append(f"{'kept' if keep else 'new'} connection: {type(error).__name__} {error}")
        finally:
            self._open -= 1

    async def _exchange(self, path: str, *, keep: bool) -> None:
        reader, writer = self._kept.pop() if keep and self._kept else await self._connect()
        try:
            ends = "keep-alive" if keep else "close"
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\nConnection: {ends}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = int(head.lower().partition("content-length:")[2].split("\r\n")[0])
            body = await reader.readexactly(length)
            if " 200 " not in head.split("\r\n")[0] or body != path.encode():
                raise ValueError(head.split("\r\n")[0])
        except BaseException:
            writer.close()
            raise
        if keep:
            self._kept.append((reader, writer))
        else:
            writer.close()

    async def _connect(self) -> Connection:
        return await asyncio.open_connection("127.0.0.1", self._port)

    async def _slow(self) -> None:
        while not self.stopping:
            try:
                await asyncio.wait_for(self._exchange("/slow", keep=False), PATIENCE)
                self.result.slow += 1
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                self.result.failed.append(f"slow: {type(error).__name__} {error}")

    async def _socket(self) -> None:
        while not self.stopping:
            try:
                async with connect(f"ws://{self._host}/ws", host="127.0.0.1", port=self._port) as socket:
                    await self._echo(socket)
            except ConnectionClosed as closed:
                if closed.rcvd is None or closed.rcvd.code != GOING_AWAY:
                    self.result.failed.append(f"WebSocket: {closed}")
                self.result.reconnects += 1
            except (OSError, WebSocketException, TimeoutError) as error:
                self.result.failed.append(f"WebSocket: {type(error).__name__} {error}")
                await asyncio.sleep(ECHO_SECONDS)

    async def _echo(self, socket: ClientConnection) -> None:
        while not self.stopping:
            await socket.send("hello")
            if await asyncio.wait_for(socket.recv(), PATIENCE) != "hello":
                self.result.failed.append("WebSocket: another answer")
            self.result.echoes += 1
            await asyncio.sleep(ECHO_SECONDS)


async def _main(port: int, host: str, rate: float) -> Result:
    traffic = Traffic(port, host, rate)

    async def watch() -> None:
        await asyncio.to_thread(sys.stdin.read)
        traffic.stopping = True

    async with asyncio.TaskGroup() as group:
        group.create_task(watch())
        group.create_task(traffic.run())
    return traffic.result


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(_main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))))))
