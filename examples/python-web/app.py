"""A small web application: a page at `/`, and `/healthz` for Highroad to see that it serves."""

import os
from html import escape

from bottle import Bottle, response

app = Bottle()


@app.get("/")
def index():
    greeting = escape(os.environ.get("GREETING", "Hello from Highroad"))
    return f"<!doctype html><title>python-web</title><h1>{greeting}</h1>"


@app.get("/healthz")
def healthz():
    response.content_type = "text/plain"
    return "ok\n"
