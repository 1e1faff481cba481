"""Small apps that do good and evil. They need nothing but Python, so that a push takes no longer than Highroad does."""

from __future__ import annotations

SERVER = """
import base64, hashlib, http.server, os, socketserver, sys, time
VERSION = "{version}"

class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.headers.get("Upgrade", "").lower() == "websocket":
            return self.echo()
        if self.path == "/slow":
            time.sleep(5)
        if self.path == "/setting":
            return self.answer(os.environ.get("SETTING", "unset"))
        self.answer(VERSION)
    def answer(self, text):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())
    def echo(self):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        while head := self.rfile.read(2):
            size, mask = head[1] & 127, self.rfile.read(4)
            data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self.rfile.read(size)))
            self.wfile.write(bytes([head[0], size]) + data)
            if head[0] & 15 == 8:
                break
        self.close_connection = True
    def log_message(self, *words):
        pass

class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

{extra}
Server(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
"""

PROCFILE = "web: exec python3 app.py\n"


def web(version: str, extra: str = "", **files: str) -> dict[str, str]:
    """An app that answers with its version; `extra` are lines that it executes before it listens."""
    named = {name.replace("_", "."): text for name, text in files.items()}
    return {"Procfile": PROCFILE, "app.py": SERVER.replace("{version}", version).replace("{extra}", extra), **named}
