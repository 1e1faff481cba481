"""Routes and settings in, Caddy's JSON configuration out; pure. Called by `caddy`.

Two things here are not what a Caddy tutorial would do, and carry the promise that a redeploy fails no request:

* An upstream is not an address but a slot, a small file that Caddy reads for each request (`{file.upstreams/x.0}`).
  Moving traffic to as many new instances replaces files and loads no configuration. A load ends the old HTTP server,
  and Go's then drops what it has accepted but not read: idle keep-alive connections, on which a request may
  just be on its way, and connections of the last fraction of a millisecond. Measured over 400 loads without a pause
  under three clients without one: 178 of 16,843 new connections lost; with slots none. Loads remain for what changes
  shape: a new host, another number of instances, stop, a static site.
* Paths of sockets and slots are relative to Caddy's working directory (`settings.run`): they stay below the 108 bytes
  of a Unix socket's address, hold no braces, and a data directory may be moved.

TLS is off throughout: the one listener is a plain port handed over as descriptor 0.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from highroad.errors import Permanent
from highroad.routing import pages
from highroad.routing.hostnames import is_host
from highroad.routing.model import Route
from highroad.settings import Settings

ADMIN_SOCKET = "caddy-admin.sock"
SLOTS = "upstreams"
FINGERPRINT = "highroad"  # the `@id` under which the admin endpoint shows which configuration is loaded

# A literal IPv4 or IPv6 address, the latter with or without brackets. Names are never matched loosely: a foreign name
# that resolves to this machine must not reach the portal (DNS rebinding).
_ADDRESS = r"^(?:\d{1,3}(?:\.\d{1,3}){3}|\[?[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*\]?)$"
_DOT_FILE = r"/\."
_WELL_KNOWN = r"^/\.well-known(?:/[^./][^/]*)*/?$"  # RFC 8615


def configuration(
    routes: Sequence[Route], settings: Settings, hidden: Mapping[str, Sequence[str]]
) -> dict[str, object]:
    """Caddy's whole configuration. `hidden` gives, per static directory, the paths that must not be served.

    Raises `Permanent` when a host is not a host name, is the portal's, or is claimed twice.
    """
    _refuse_conflicts(routes, settings)
    # Exact names before wildcards, each in the order of names: equal routes give equal bytes, whatever their order.
    errors = _error_routes()
    ordered = sorted(routes, key=lambda route: (route.host.startswith("*"), route.host))
    server: dict[str, object] = {
        "listen": ["fd/0"],
        "protocols": ["h1", "h2c"],
        "automatic_https": {"disable": True},
        "read_header_timeout": "30s",
        "routes": [_portal(settings), *(_route(route, hidden) for route in ordered), *_unknown(settings)],
        "errors": {"routes": errors},
    }
    config: dict[str, object] = {
        "admin": {"listen": f"unix/{ADMIN_SOCKET}|0600", "config": {"persist": False}},
        "logging": {"logs": {"default": _log()}},
        # How long Caddy waits for requests when it ends. A load does not wait, and cuts nothing, whatever this says.
        "apps": {"http": {"grace_period": "5s", "servers": {"main": server}}},
    }
    # Stands among the error routes, where no request passes it.
    mark: dict[str, object] = {"@id": FINGERPRINT, "handle": [{"handler": "vars", "configuration": _digest(config)}]}
    errors.insert(0, mark)
    return config


def fingerprint(config: Mapping[str, object]) -> str:
    """What tells this configuration from any other; Caddy shows it under `/id/highroad`."""
    servers = config["apps"]["http"]["servers"]  # type: ignore[index]  # our own shape, built above
    return str(servers["main"]["errors"]["routes"][0]["handle"][0]["configuration"])


def shape(routes: Sequence[Route]) -> tuple[tuple[str, object], ...]:
    """All that the configuration takes from routes: as long as it is the same, only slots change."""
    return tuple(
        (route.host, route.directory if route.directory is not None else len(route.upstreams) or route.message)
        for route in routes
    )


def slots(routes: Sequence[Route]) -> dict[str, str]:
    """The address in each slot, by path relative to `settings.run`."""
    return {
        _slot(route.host, number): upstream
        for route in routes
        if route.directory is None
        for number, upstream in enumerate(route.upstreams)
    }


def _slot(host: str, number: int) -> str:
    # A digest, because a host of 253 characters and a number do not fit into a file name of 255.
    return f"{SLOTS}/{hashlib.sha256(host.encode()).hexdigest()[:24]}.{number}"


def _digest(config: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def _refuse_conflicts(routes: Sequence[Route], settings: Settings) -> None:
    owners: dict[str, str] = {settings.domain: "the portal", "localhost": "the portal"}
    for route in routes:
        if not is_host(route.host):
            raise Permanent(f"{route.host[:80]!r} is not a host name.", next_step="Remove or rename this route.")
        if route.host in owners:
            raise Permanent(
                f"{route.host} is claimed by {owners[route.host]} and by {route.id}.",
                next_step="Remove the domain from one of the two.",
            )
        owners[route.host] = route.id


def _portal(settings: Settings) -> dict[str, object]:
    """Portal, API and Git. A request waits while the control plane restarts: its socket refuses or is not there."""
    hosts = sorted({settings.domain, "localhost"})
    proxy = _proxy([f"unix/{settings.api_socket.name}"]) | {
        "load_balancing": {"try_duration": "10s", "try_interval": "50ms"},
    }
    match = [{"host": hosts}, {"vars_regexp": {"{http.request.host}": {"pattern": _ADDRESS}}}]
    return {"match": match, "handle": [_surface(pages.PORTAL), proxy], "terminal": True}


def _route(route: Route, hidden: Mapping[str, Sequence[str]]) -> dict[str, object]:
    if route.directory is not None:
        handle = [_surface(pages.STATIC), _site(route.directory, hidden[route.directory])]
    elif route.upstreams:
        handle = [_surface(pages.APP), _app(route)]
    else:
        words = {"message_html": pages.html_words(route.message), "message_text": pages.plain_words(route.message)}
        handle = [_surface(pages.STOPPED) | words, {"handler": "error", "status_code": 503}]
    return {"match": [{"host": [route.host]}], "handle": handle, "terminal": True}


def _app(route: Route) -> dict[str, object]:
    """Only a refused connection is tried again, for any method: nothing was sent yet. What an app broke off is not."""
    proxy = _proxy([f"{{file.{_slot(route.host, number)}}}" for number in range(len(route.upstreams))])
    proxy["load_balancing"] = {
        "selection_policy": {"policy": "least_conn"},
        "try_duration": "2s",
        "try_interval": "50ms",
        "retry_match": [{"method": ["NEVER"]}],  # without a matcher Caddy repeats every GET that broke off
    }
    if len(route.upstreams) > 1:
        # A dead instance has the fewest requests of all, so least_conn would send every try to it: three failures
        # take it out for a second. With one instance there is nothing to choose, and waiting is all there is.
        proxy["health_checks"] = {"passive": {"max_fails": 3, "fail_duration": "1s"}}
    return proxy


def _proxy(dials: Sequence[str]) -> dict[str, object]:
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": dial} for dial in dials],
        "flush_interval": -1,
        # A load closes WebSockets and other upgraded connections of the old configuration after this time.
        "stream_close_delay": "24h",
        # Shorter than any app server's own keep-alive (gunicorn 2 s, uvicorn and node 5 s), so that Caddy never sends
        # a POST on a connection which the app is just closing.
        "transport": {"protocol": "http", "dial_timeout": "2s", "keep_alive": {"idle_timeout": "1s"}},
        # X-Forwarded-* are set by Caddy, who believes no client; these two it would pass on as they came.
        "headers": {"request": {"delete": ["Forwarded", "X-Real-Ip"]}},
    }


def _site(directory: str, hidden: Sequence[str]) -> dict[str, object]:
    root = pages.literal(directory)
    hide = [pages.literal(path) for path in hidden]
    files: dict[str, object] = {"handler": "file_server", "root": root, "hide": hide, "pass_thru": True}
    methods = {"handler": "static_response", "status_code": 405, "headers": {"Allow": ["GET, HEAD"]}}
    dotted = {"path_regexp": {"pattern": _DOT_FILE}, "not": [{"path_regexp": {"pattern": _WELL_KNOWN}}]}
    not_found = {"handler": "error", "status_code": 404}
    own_page = [{"handler": "rewrite", "uri": "/404.html"}, files | {"status_code": 404}]
    return {
        "handler": "subroute",
        "routes": [
            {"match": [{"not": [{"method": ["GET", "HEAD"]}]}], "handle": [methods], "terminal": True},
            {"match": [dotted], "handle": [not_found], "terminal": True},
            {"handle": [_entity_tags(directory), files]},
            {"handle": [*own_page, not_found]},
        ],
    }


def _entity_tags(directory: str) -> dict[str, object]:
    """Make cached copies valid for one artifact only.

    Caddy derives an ETag from size and time; artifacts of reproducible builds share their times, so that a changed
    file of equal size would be taken for unchanged. The directory's digest goes in front, and is taken off again
    on the way in: a tag of another artifact then matches nothing.
    """
    mark = hashlib.sha256(directory.encode()).hexdigest()[:12]
    taken_off = [{"search": f'"{mark}-', "replace": '"'}]
    return {
        "handler": "headers",
        "request": {"replace": {"If-None-Match": taken_off, "If-Range": taken_off}, "delete": ["If-Modified-Since"]},
        "response": {
            "deferred": True,
            "replace": {"Etag": [{"search_regexp": '^"', "replace": f'"{mark}-'}]},
            "delete": ["Last-Modified"],
        },
    }


def _unknown(settings: Settings) -> list[dict[str, object]]:
    """Hosts that nobody has. The name is shown only after it proved to be one, because it goes into a page."""
    suffix = settings.domain.replace(".", r"\.")
    pattern = rf"^(?i)([a-z0-9-]{{1,63}}(?:\.[a-z0-9-]{{1,63}}){{0,9}})\.{suffix}$"
    named = {"vars_regexp": {"{http.request.host}": {"name": "name", "pattern": pattern}}}
    not_found = {"handler": "error", "status_code": 404}
    return [
        {"match": [named], "handle": [_surface(pages.NO_SERVICE), not_found], "terminal": True},
        {"handle": [_surface(pages.NO_HOST), not_found]},
    ]


def _surface(page: pages.Page) -> dict[str, object]:
    return {"handler": "vars", "surface": page.surface}


def _error_routes() -> list[dict[str, object]]:
    return [_problem(), *(each for page in pages.PAGES for each in _page(page))]


def _problem() -> dict[str, object]:
    """Clients of the API get problem details (RFC 9457) while the control plane is away."""
    problem = {
        "type": "about:blank",
        "title": pages.PORTAL.title,
        "status": int(pages.PORTAL.status),
        "detail": pages.PORTAL.detail_text,
        "next_step": pages.PORTAL.next_text,
    }
    answer = _answer(pages.PORTAL, "application/problem+json", pages.literal(json.dumps(problem)))
    match = {"vars": {"surface": [pages.PORTAL.surface]}, "path": ["/api/*"]}
    return {"match": [match], "handle": [answer], "terminal": True}


def _page(page: pages.Page) -> list[dict[str, object]]:
    where = {"vars": {"surface": [page.surface]}}
    as_html = _answer(page, "text/html; charset=utf-8", page.as_html())
    as_text = _answer(page, "text/plain; charset=utf-8", page.as_text())
    return [
        {"match": [where | {"header": {"Accept": ["*text/html*"]}}], "handle": [as_html], "terminal": True},
        {"match": [where], "handle": [as_text], "terminal": True},
    ]


def _answer(page: pages.Page, content_type: str, body: str) -> dict[str, object]:
    headers = {
        "Content-Type": [content_type],
        "Cache-Control": ["no-store"],
        "Content-Security-Policy": ["default-src 'none'; style-src 'unsafe-inline'"],
        "X-Content-Type-Options": ["nosniff"],
    }
    if page.retry is not None:
        headers["Retry-After"] = [str(page.retry)]
    return {
        "handler": "static_response",
        "status_code": page.status,
        "headers": headers,
        "body": body,
    }


def _log() -> dict[str, object]:
    """Trouble only, at most a few lines a second, and never the request: its address may carry a token."""
    return {
        "level": "WARN",
        "exclude": ["admin"],  # warns at each load that a Unix socket has no host to check; its errors come as answers
        "sampling": {"interval": 1_000_000_000, "first": 5, "thereafter": 1000},
        "encoder": {"format": "filter", "wrap": {"format": "json"}, "fields": {"request": {"filter": "delete"}}},
    }
