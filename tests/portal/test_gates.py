"""Gates in the portal: the inbox, what an approver sees and says, locks, rules, freezes, and a broken glass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from highroad.access.model import SYSTEM, User
from highroad.deployments import actions as deployments
from highroad.deployments.model import Deployment
from highroad.gates import actions as gate_actions
from highroad.gates import store as gates
from highroad.gates.model import Lock
from tests.portal.site import Browser, Site


@pytest.fixture
def bob(site: Site) -> User:
    return site.user("bob@example.com")


def waiting(site: Site, *, asker: str = "") -> Deployment:
    """A second release waits for an owner or administrator while the first one serves."""
    service, where, _, release, _ = site.live()
    context = site.context
    with context.db.begin() as tx:
        here = gate_actions.of_environment(where)
        gate_actions.add_approval_rule(tx, context.log, SYSTEM, here, rule="2 of admin or 2 of owner")
        return deployments.request(
            tx,
            context.log,
            SYSTEM,
            service,
            where,
            kind="deploy",
            release=release,
            counts={},
            run_id=release.run_id,
            start=site._start,
            keeper=site.desk.keeper,
        )


def seen(site: Site, deployment: Deployment) -> str:
    with site.context.db.read() as tx:
        found = gates.wait_of(tx, deployment.id)
    assert found is not None
    return found.seen


def test_an_empty_inbox_says_so(ada: Browser) -> None:
    page = ada.get("/approvals")
    assert "Nothing waits for your approval" in page.text


def test_what_waits_stands_in_the_inbox_and_is_counted(site: Site, ada: Browser, bob: User) -> None:
    deployment = waiting(site)
    page = site.browser(bob).get("/approvals")
    assert f"/deployments/{deployment.id}" in page.html
    assert "Waiting for 2 of 2 approvals" in page.text


def test_an_approver_sees_plan_risk_tests_and_answers(site: Site, bob: User) -> None:
    deployment = waiting(site)
    browser = site.browser(bob)
    page = browser.get(f"/deployments/{deployment.id}")
    for words in (
        "What it waits for",
        "Risk:",
        "1 passed",
        "No scanners",
        "Plan",
        "Approve this plan",
        "Refuse",
        "Withdraw",
    ):
        assert words in page.text
    approved = browser.post(f"/deployments/{deployment.id}/approve", plan=seen(site, deployment), comment="fine")
    assert approved.location == f"/deployments/{deployment.id}"
    again = browser.get(f"/deployments/{deployment.id}")
    assert "bob@example.com approved" in again.text
    assert "Approve this plan" not in again.text


def test_an_approval_of_another_plan_is_told(site: Site, bob: User) -> None:
    deployment = waiting(site)
    page = site.browser(bob).post(f"/deployments/{deployment.id}/approve", plan="9-other")
    assert page.status == 409
    assert "The plan has changed since you looked" in page.text


def test_a_refusal_ends_it(site: Site, bob: User) -> None:
    deployment = waiting(site)
    browser = site.browser(bob)
    browser.post(f"/deployments/{deployment.id}/refuse", comment="not <today>")
    page = browser.get(f"/deployments/{deployment.id}")
    assert "refused" in page.text
    assert "not &lt;today&gt;" in page.html


def test_a_broken_glass_is_loud_everywhere(site: Site, bob: User) -> None:
    deployment = waiting(site)
    browser = site.browser(bob)
    browser.post(f"/deployments/{deployment.id}/break-glass", reason="customers cannot pay")
    for path in (
        "/",
        "/projects/shop",
        "/projects/shop/environments/production/gates",
        f"/deployments/{deployment.id}",
    ):
        page = browser.get(path)
        assert "The glass was broken by bob@example.com" in page.text, path
        assert "customers cannot pay" in page.text


def test_an_environment_is_locked_and_unlocked(site: Site, bob: User) -> None:
    site.live()
    browser, path = site.browser(bob), "/projects/shop/environments/production"
    browser.post(f"{path}/lock", why="moving the database", hours="2")
    page = browser.get(f"{path}/gates")
    assert "Locked by bob@example.com: moving the database" in page.text
    assert "moving the database" in browser.get("/projects/shop").text
    again = browser.post(f"{path}/lock", why="me too")
    assert (again.status, "already" in again.text or "locked by" in again.text) == (409, True)
    browser.post(f"{path}/lock", unlock="yes")
    assert "Locked by" not in browser.get(f"{path}/gates").text


def test_approvals_are_required_by_a_form_and_a_slip_is_told(site: Site, bob: User) -> None:
    site.live()
    browser, path = site.browser(bob), "/projects/shop/environments/production/gates"
    assert "every deployment goes at once" in browser.get(path).text
    wrong = browser.post(path, rule="some of those")
    assert wrong.status == 422
    assert 'value="some of those"' in wrong.html
    browser.post(path, rule="2 of team payments or 1 of owner", not_author="yes", void_on_change="yes")
    page = browser.get(path)
    assert "2 of team payments or 1 of owner, not the author" in page.text
    with site.context.db.read() as tx:
        [gate] = gates.list_gates(tx, "approvals")
    browser.post(f"/gates/{gate.id}/remove")
    assert "every deployment goes at once" in browser.get(path).text


def test_a_freeze_is_planned_excepted_and_removed(site: Site, bob: User) -> None:
    site.live()
    browser = site.browser(bob)
    assert "No freeze is planned" in browser.get("/freezes").text
    wrong = browser.post("/freezes", name="year-end", times="some day", mode="production")
    assert (wrong.status, "some day" in wrong.html) == (422, True)
    browser.post(
        "/freezes", name="weekends", times="fri 16:00 - mon 08:00\nsat,sun", mode="production", zone="Europe/Berlin"
    )
    page = browser.get("/freezes")
    assert "fri 16:00 - mon 08:00; sat,sun (Europe/Berlin)" in page.text
    assert "all production environments" in page.text
    with site.context.db.read() as tx:
        [gate] = gates.list_gates(tx, "freeze")
    browser.post(f"/gates/{gate.id}/exceptions", times="2026-12-24")
    assert "except 2026-12-24" in browser.get("/freezes").text
    assert browser.post(f"/gates/{gate.id}/exceptions", times="rubbish").status == 422
    browser.post(f"/gates/{gate.id}/remove")
    assert "No freeze is planned" in browser.get("/freezes").text


def test_a_member_without_a_role_sees_no_form(site: Site) -> None:
    site.live()
    ben = site.browser(site.user("ben@example.com", role="member"))
    assert ben.get("/projects/shop/environments/production/gates").status == 404
    assert ben.post("/freezes", name="x", times="sat").status == 403
    assert "Nothing waits" in ben.get("/approvals").text


def test_a_lock_that_has_ended_is_not_shown_as_one(site: Site, bob: User) -> None:
    _, where, *_ = site.live()
    with site.context.db.begin() as tx:
        until = datetime.now(UTC) + timedelta(seconds=1)
        gate_actions.lock(tx, site.context.log, SYSTEM, where, why="short", until=until, at=until - timedelta(hours=1))
        tx.execute(gates.gates.update().values(rule=gates.gates.c.rule))
        gates.change_rule(tx, f"lck_{where.id}", Lock("short", datetime(2020, 1, 1, tzinfo=UTC)))
    assert "Locked by" not in site.browser(bob).get("/projects/shop/environments/production/gates").text
