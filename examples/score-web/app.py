"""A WSGI application without a framework: a page at `/`, and `/healthz` for Highroad to see that it serves."""

import os
from html import escape


def app(environ, start_response):
    if environ["PATH_INFO"] == "/healthz":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok\n"]
    greeting = escape(os.environ.get("GREETING", "Hello"))
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [f"<!doctype html><title>score-web</title><h1>{greeting}</h1>".encode()]
