"""A real browser on a real socket: the portal served by uvicorn in a thread, looked at by Chromium."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from tests.portal.site import PASSWORD, Site

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
DEADLINE = 20.0


def binary() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextlib.contextmanager
def chromium(executable: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        yield browser
        browser.close()


@contextlib.contextmanager
def served(directory: Path) -> Iterator[Site]:
    """A site that answers on a free port of this machine."""
    listening = socket.create_server(("127.0.0.1", 0))
    site = Site(directory, port=listening.getsockname()[1])
    config = uvicorn.Config(site.app, log_config=None, lifespan="off", timeout_graceful_shutdown=1, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    until = time.monotonic() + DEADLINE
    while not server.started and time.monotonic() < until:
        thread.join(0.02)
    yield site
    server.should_exit = True
    thread.join(DEADLINE)
    listening.close()
    site.close()


def sign_in(page: Page, site: Site, email: str = "ada@example.com") -> None:
    page.goto(f"{site.context.settings.url}/sign-in")
    page.get_by_label("Email address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
