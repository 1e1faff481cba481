"""The portal in a real browser: what its script does, and that every page fits every screen in both colour schemes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from highroad.access import actions
from highroad.access.model import SYSTEM
from highroad.deployments import store
from tests.portal.chromium import binary, chromium, served, sign_in
from tests.portal.site import Site

pytestmark = pytest.mark.skipif(binary() is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = binary()
    assert executable is not None
    with chromium(executable) as started:
        yield started


@pytest.fixture(scope="module")
def served_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("portal") / "data") as site:
        yield site


@pytest.fixture
def portal(served_site: Site) -> Site:
    served_site.reset()
    return served_site


@pytest.fixture
def page(browser: Browser, portal: Site) -> Iterator[Page]:
    """A page of an administrator who is signed in; a complaint of the browser fails the test."""
    secret, _, _ = portal.session(portal.user())
    context = browser.new_context()
    context.add_cookies([{"name": "highroad_session", "value": secret, "url": portal.context.settings.url}])
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert [each for each in complaints if "status of 422" not in each] == [], "a refused form is no complaint"


def test_a_password_signs_in_and_the_button_signs_out(browser: Browser, portal: Site) -> None:
    portal.user()
    context = browser.new_context()
    page = context.new_page()
    sign_in(page, portal)
    expect(page.get_by_role("heading", name="Deploy your first service")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    context.close()


def test_a_one_time_link_signs_in_and_leaves_no_secret_in_the_address(browser: Browser, portal: Site) -> None:
    user = portal.user(password=False)
    with portal.context.db.begin() as tx:
        secret = actions.make_link(tx, portal.context.log, SYSTEM, user.id)
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{portal.context.settings.url}/sign-in/link#{secret}")
    page.wait_for_url("**/account?welcome=1")
    expect(page.get_by_text("Welcome to Highroad.")).to_be_visible()
    page.go_back()
    assert secret not in page.url
    context.close()


def test_a_run_goes_on_by_itself_and_then_stops(page: Page, portal: Site) -> None:
    service, where = portal.service()
    run = portal.run(service)
    url = portal.context.settings.url
    page.goto(f"{url}/runs/{run.id}")
    page.evaluate("window.same = true")
    portal.desk.follower.journal.write(run.id, "build", "<b>building</b>")
    expect(page.locator(".log .text").last).to_have_text("<b>building</b>")
    release = portal.release(service, run, to=where)
    expect(page.locator(".rows .state")).to_have_text("running")
    with portal.context.db.read() as tx:
        deployment = store.deployments_of_run(tx, run.id)[0]
    portal.finish(service, where, deployment, release)
    expect(page.locator("[data-log-state]")).to_have_text("ended")
    expect(page.locator("h1 .state")).to_have_text("succeeded")
    expect(page.locator(".rows .state")).to_have_text("succeeded")
    expect(page.locator(".log .text").last).to_have_text("-----> Starting web.1")
    assert page.locator(".log .text").all_inner_texts().count("<b>building</b>") == 1
    assert page.evaluate("window.same"), "it was never loaded anew"


def test_a_stream_that_was_refused_is_opened_again_where_it_ended(browser: Browser, portal: Site) -> None:
    service, _ = portal.service()
    run = portal.run(service)
    portal.desk.follower.journal.write(run.id, "build", "first")
    secret, _, _ = portal.session(portal.user())
    context = browser.new_context()
    context.add_cookies([{"name": "highroad_session", "value": secret, "url": portal.context.settings.url}])
    page = context.new_page()
    page.route("**/log?**", lambda route: route.fulfill(status=502), times=1)
    page.goto(f"{portal.context.settings.url}/runs/{run.id}")
    expect(page.locator("[data-log-state]")).to_have_text("live")
    portal.desk.follower.journal.write(run.id, "build", "second")
    expect(page.locator(".log .text").last).to_have_text("second")
    assert page.locator(".log .text").all_inner_texts() == ["first", "second"]
    context.close()


def test_the_log_stops_following_when_the_reader_scrolls_up(page: Page, portal: Site) -> None:
    portal.live()
    instance = next(iter(portal.driver.specs))
    for number in range(200):
        portal.driver.say(instance, f"line {number}")
    page.goto(f"{portal.context.settings.url}/projects/shop/services/web/environments/production/logs")
    log, follow = page.locator("[data-log]"), page.locator("[data-log-follow]")
    at_end = "box => box.scrollHeight - box.scrollTop - box.clientHeight < 5"
    assert log.evaluate(at_end)
    log.hover()
    expect(page.locator("[data-log-state]")).to_have_text("live")
    page.wait_for_function("() => performance.now() > 600")  # past the moment in which scrolling counts as the page's
    page.mouse.wheel(0, -900)
    expect(follow).to_have_attribute("aria-pressed", "false")
    portal.driver.say(instance, "the newest")
    expect(page.locator(".log .text").last).to_have_text("the newest")
    assert not log.evaluate(at_end)
    follow.click()
    page.wait_for_function("() => { const box = document.querySelector('[data-log]'); return (" + at_end + ")(box) }")


def test_events_come_by_themselves_and_an_open_one_stays_open(page: Page, portal: Site) -> None:
    page.goto(f"{portal.context.settings.url}/events")
    page.locator(".events summary").first.click()
    before = page.locator(".events details[open]").get_attribute("id")
    portal.service()
    expect(page.locator(".event-type").first).to_have_text("repository.created")
    assert page.locator(".events details[open]").get_attribute("id") == before


def test_a_state_changes_on_the_page_of_the_service_without_a_reload(page: Page, portal: Site) -> None:
    service, where = portal.service()
    release = portal.release(service, portal.run(service))
    deployment = portal.deployment(service, where, release)
    page.goto(f"{portal.context.settings.url}/projects/shop/services/web")
    page.get_by_label("Value").fill("being typed")
    expect(page.locator(".place header .state")).to_have_text("deploying")
    portal.finish(service, where, deployment, release)
    expect(page.locator(".place header .state")).to_have_text("live")
    expect(page.get_by_label("Value")).to_have_value("being typed")


def test_a_page_with_a_refused_form_goes_on_updating(page: Page, portal: Site) -> None:
    service, where = portal.service()
    release = portal.release(service, portal.run(service))
    deployment = portal.deployment(service, where, release)
    page.goto(f"{portal.context.settings.url}/projects/shop/services/web")
    page.get_by_label("Name", exact=True).fill("PORT")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_role("alert")).to_be_focused()
    portal.finish(service, where, deployment, release)
    expect(page.locator(".place header .state")).to_have_text("live")
    expect(page.get_by_label("Name", exact=True)).to_have_value("PORT")


def test_a_session_that_ends_leads_a_live_page_to_the_sign_in(page: Page, portal: Site) -> None:
    service, _ = portal.service()
    portal.run(service)
    page.goto(f"{portal.context.settings.url}/projects/shop/services/web")
    page.context.clear_cookies()
    page.wait_for_url("**/sign-in?next=**")
    assert "/projects/shop/services/web" in page.url


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (360, "dark")])
def test_every_page_fits_the_screen(
    browser: Browser, portal: Site, page: Page, tmp_path: Path, width: int, scheme: Literal["light", "dark"]
) -> None:
    service, where, run, _, deployment = portal.live()
    context = browser.new_context(
        viewport={"width": width, "height": 740}, color_scheme=scheme, storage_state=page.context.storage_state()
    )
    fresh = context.new_page()
    grounds = set()
    place = f"/projects/{service.project}/services/{service.name}"
    paths = ("/", "/projects/shop", place, f"/runs/{run.id}", f"/deployments/{deployment.id}", "/events", "/account")
    for number, path in enumerate((*paths, "/users", f"{place}/environments/{where.name}/logs")):
        fresh.goto(portal.context.settings.url + path)
        fresh.screenshot(path=tmp_path / f"{scheme}-{number}.png", full_page=True)
        assert fresh.evaluate("document.documentElement.scrollWidth") <= width, path
        assert fresh.locator("h1").count() == 1, path
        assert fresh.locator("main input:visible:not([type=hidden])").evaluate_all(
            "fields => fields.every(each => each.labels.length > 0)"
        ), f"a field of {path} has no label"
        grounds.add(fresh.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ({"rgb(246, 247, 246)"} if scheme == "light" else {"rgb(17, 22, 20)"})
    context.close()
