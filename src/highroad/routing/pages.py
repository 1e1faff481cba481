"""What the router itself says when no app and no portal does: small pages in HTML, or plain text for other clients.

`config` builds Caddy's error routes from `PAGES`. Texts may hold Caddy placeholders of our own; everything that comes
from elsewhere goes through `html_words` or `plain_words` first, because Caddy would expand `{env.X}` and `{file./x}`.
"""

from __future__ import annotations

import html
from dataclasses import dataclass

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem;color:#1c2430}"
    "h1{font-size:1.4rem}code{background:#eef1f5;padding:.1em .3em;border-radius:3px}small{color:#5b6675}"
    "@media(prefers-color-scheme:dark){body{background:#12161c;color:#e4e8ee}code{background:#232a33}}"
)


@dataclass(frozen=True, slots=True)
class Page:
    """Shown where a route set `surface`. The HTML and the text say the same; `retry` is Retry-After in seconds."""

    surface: str
    title: str
    detail_html: str
    detail_text: str
    next_html: str
    next_text: str
    retry: int | None = None
    status: str = "{http.error.status_code}"

    def as_html(self) -> str:
        # Caddy takes `{word}` for a placeholder and a brace of CSS for none, but an escaped one is never in doubt.
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
            f"<title>{self.title}</title><style>{literal(_STYLE)}</style></head><body>"
            f"<h1>{self.title}</h1><p>{self.detail_html}</p><p>{self.next_html}</p>"
            f"<p><small>{self.status} · Highroad</small></p></body></html>\n"
        )

    def as_text(self) -> str:
        return f"{self.title}\n{self.detail_text}\n{self.next_text}\n"


def literal(text: str) -> str:
    """`text` so that Caddy's replacer gives it back unchanged."""
    return text.replace("\\", "\\\\").replace("{", "\\{").replace("}", "\\}") if "{" in text or "}" in text else text


def html_words(text: str) -> str:
    """Foreign text for an HTML page: markup and placeholders lose their meaning, not their looks."""
    return html.escape(text).replace("{", "&#123;").replace("}", "&#125;")


def plain_words(text: str) -> str:
    """Foreign text for a plain page: braces become round ones, control characters and line ends become spaces."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return printable.replace("{", "(").replace("}", ")")


_STATUS_HTML = "Run <code>highroad status</code> to see what runs and <code>highroad logs</code> to see what it says."
_STATUS_TEXT = "Run `highroad status` to see what runs and `highroad logs` to see what it says."

STOPPED = Page(
    surface="stopped",
    title="This service is not serving",
    detail_html="{http.vars.message_html}",
    detail_text="{http.vars.message_text}",
    next_html=_STATUS_HTML,
    next_text=_STATUS_TEXT,
    retry=10,
)
APP = Page(
    surface="app",
    title="The service did not answer",
    detail_html="<code>{http.request.host}</code> is deployed, but the instance asked did not finish its answer.",
    detail_text="{http.request.host} is deployed, but the instance asked did not finish its answer.",
    next_html=f"If it is restarting, it answers again in a few seconds. {_STATUS_HTML}",
    next_text=f"If it is restarting, it answers again in a few seconds. {_STATUS_TEXT}",
    retry=2,
)
STATIC = Page(
    surface="static",
    title="There is no such page",
    detail_html="<code>{http.request.host}</code> has no file at this address.",
    detail_text="{http.request.host} has no file at this address.",
    next_html='<a href="/">Start at its first page.</a>',
    next_text="Start at its first page: /",
)
PORTAL = Page(
    surface="portal",
    title="Highroad is not answering",
    detail_html="Its control plane is starting or stopped. Deployed services go on serving.",
    detail_text="Its control plane is starting or stopped. Deployed services go on serving.",
    next_html="Try again in a few seconds; <code>highroad status</code> on the machine tells more.",
    next_text="Try again in a few seconds; `highroad status` on the machine tells more.",
    retry=2,
    status="503",
)
NO_SERVICE = Page(
    surface="no-service",
    title="There is no such service here",
    detail_html="No service is called <code>{http.regexp.name.1}</code>. Names read SERVICE.ENVIRONMENT.PROJECT.",
    detail_text="No service is called {http.regexp.name.1}. Names read SERVICE.ENVIRONMENT.PROJECT.",
    next_html="Run <code>highroad status</code> to see the addresses that answer.",
    next_text="Run `highroad status` to see the addresses that answer.",
)
NO_HOST = Page(
    surface="no-host",
    title="Nothing answers at this host name",
    detail_html="This is a Highroad router, but the host name of this request is none that it serves.",
    detail_text="This is a Highroad router, but the host name of this request is none that it serves.",
    next_html="Run <code>highroad status</code> to see the addresses that answer.",
    next_text="Run `highroad status` to see the addresses that answer.",
)
PAGES = (STOPPED, APP, STATIC, PORTAL, NO_SERVICE, NO_HOST)
