"""What `redeploys` deploys: an answer at once at `/`, one after five seconds at `/slow`, an echoing WebSocket at `/ws`.

On SIGTERM it takes no new connections, closes WebSockets in good order and finishes what it was asked.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import signal
from asyncio import StreamReader, StreamWriter

GOING_AWAY = b"\x88\x02\x03\xe9"
sockets: set[StreamWriter] = set()
busy = 0


async def serve(reader: StreamReader, writer: StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while await answer(reader, writer):
            pass
    writer.close()


async def answer(reader: StreamReader, writer: StreamWriter) -> bool:
    global busy
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    path = lines[0].split(" ")[1]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    if path == "/ws":
        await echo(reader, writer, headers["sec-websocket-key"])
        return False
    busy += 1
    try:
        if path == "/slow":
            await asyncio.sleep(5)
        body = path.encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
    finally:
        busy -= 1
    return True


async def echo(reader: StreamReader, writer: StreamWriter, key: str) -> None:
    accept = base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    writer.write(upgrade + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    sockets.add(writer)
    try:
        while True:
            first, second = await reader.readexactly(2)
            mask, data = await reader.readexactly(4), await reader.readexactly(second & 0x7F)  # the client's are short
            if first & 0x0F == 8:
                return
            writer.write(bytes([first, len(data)]) + bytes(byte ^ mask[at % 4] for at, byte in enumerate(data)))
            await writer.drain()
    finally:
        sockets.discard(writer)


async def main() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]), backlog=512)
    await stop.wait()
    server.close()
    for writer in list(sockets):
        writer.write(GOING_AWAY)
    while busy or sockets:  # noqa: ASYNC110  # two counts, once in its life
        await asyncio.sleep(0.02)


asyncio.run(main())
