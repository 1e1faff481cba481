"""The page of a pipeline run."""

from __future__ import annotations

from highroad.builds.junit import TestCase, TestRun
from highroad.pipelines import store
from tests.portal.site import Browser, Site


def test_a_run_at_work_follows_its_stream_and_can_be_cancelled(site: Site, ada: Browser) -> None:
    service, _ = site.service()
    run = site.run(service)
    site.desk.follower.journal.write(run.id, "build", "-----> Building")
    page = ada.get(f"/runs/{run.id}")
    assert "Greet people by name" in page.text
    assert "-----&gt; Building" in page.html
    assert f'data-stream="/api/v1/runs/{run.id}/log?cursor=' in page.html
    assert ada.post(f"/runs/{run.id}/cancel").location == f"/runs/{run.id}"
    with site.context.db.read() as tx:
        assert store.stop_asked(tx, run.id) == "cancelled"


def test_an_ended_run_has_its_tasks_deployments_and_log_and_no_stream(site: Site, ada: Browser) -> None:
    _, _, run, _, deployment = site.live()
    page = ada.get(f"/runs/{run.id}")
    assert "succeeded checkout 0.20 s succeeded build 1.2 s" in page.text
    assert f'href="/deployments/{deployment.id}"' in page.html
    assert "http://web.production.shop.localhost:8080" in page.text
    assert "deploy production" in page.text
    assert "data-stream" not in page.html


def test_tests_are_shown_failures_first_with_why(site: Site, ada: Browser) -> None:
    _, _, run, *_ = site.live()
    cases = (
        TestCase("suite", "passes", 0.1, "passed"),
        TestCase("suite", "skips", 0.0, "skipped", "no network"),
        TestCase("suite", "fails", 0.2, "failed", "assert 1 < 0"),
    )
    with site.context.db.begin() as tx:
        store.set_tests(tx, run.id, TestRun(cases, complete=False))
    page = ada.get(f"/runs/{run.id}")
    assert page.text.index("fails") < page.text.index("skips") < page.text.index("passes")
    assert "assert 1 &lt; 0" in page.html
    assert "the report ended in the middle" in page.text


def test_why_a_run_failed_and_what_to_do_stand_on_top(site: Site, ada: Browser) -> None:
    service, _ = site.service()
    run = site.run(service)
    with site.context.db.begin() as tx:
        reason = {"reason": "2 tests failed.", "next_step": "pytest -k total"}
        store.move_run(tx, run.id, ["queued", "running"], "failed", **reason)
    page = ada.get(f"/runs/{run.id}")
    assert "failed Greet people by name" in page.text
    assert "2 tests failed. pytest -k total" in page.text
    refused = ada.post(f"/runs/{run.id}/cancel")
    assert (refused.status, 'role="alert"' in refused.html) == (409, True)


def test_a_commit_is_run_again_as_another_run(site: Site, ada: Browser) -> None:
    service, _, run, *_ = site.live()
    page = ada.post(f"/runs/{run.id}/again")
    with site.context.db.read() as tx:
        again = store.run(tx, page.location.removeprefix("/runs/"))
    assert again is not None
    assert (again.number, again.commit, again.service_id) == (2, run.commit, service.id)


def test_a_run_that_does_not_exist_is_a_page_that_says_so(ada: Browser) -> None:
    assert ada.get("/runs/run_x").status == 404
    assert ada.post("/runs/run_x/again").status == 404
    assert ada.post("/runs/run_x/cancel").status == 404
