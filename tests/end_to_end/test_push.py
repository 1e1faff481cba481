"""What a developer sees of a push, with the real git against a real installation."""

from __future__ import annotations

import signal

from tests.end_to_end.apps import web
from tests.end_to_end.installation import Installation, wait

SLOW_BUILD = {"highroad.yaml": "build: {commands: ['echo building; sleep 3']}\n"}
ENDLESS_BUILD = {"highroad.yaml": "build: {commands: ['echo building; sleep 300']}\n"}


def test_a_push_ends_with_the_live_address(installation: Installation) -> None:
    developer = installation.developer(web("one"), push=False)
    said = developer.push()
    assert f"is live in production at http://{developer.host}:{installation.port}" in said
    assert developer.get() == (200, "one")


def test_a_second_push_replaces_the_first_and_a_rollback_brings_it_back(installation: Installation) -> None:
    developer = installation.developer(web("one"))
    developer.ship(web("two"))
    assert developer.get() == (200, "two")
    developer.highroad("rollback")
    assert developer.get() == (200, "one")


def test_a_failing_build_says_why_and_the_old_version_serves(installation: Installation) -> None:
    developer = installation.developer(web("one"))
    said = developer.ship(web("two", highroad_yaml="build: {commands: ['echo no compiler; exit 7']}\n"))
    assert "no compiler" in said
    assert "failed" in said
    assert developer.last_run()["state"] == "failed"
    assert developer.get() == (200, "one")


def test_red_tests_stop_the_release(installation: Installation) -> None:
    developer = installation.developer(web("one"))
    said = developer.ship(web("two", highroad_yaml="test: 'echo one assertion broke; exit 1'\n"))
    assert "one assertion broke" in said
    assert "Nothing was deployed" in said
    assert developer.get() == (200, "one")


def test_a_force_push_is_deployed(installation: Installation) -> None:
    developer = installation.developer(web("one"))
    developer.git("reset", "--quiet", "--hard", "HEAD")
    developer.git("commit", "--quiet", "--amend", "--message", "Rewritten")
    developer.commit(web("forced"))
    developer.push("--force", "main")
    assert developer.get() == (200, "forced")


def test_a_deleted_branch_leaves_what_runs(installation: Installation) -> None:
    developer = installation.developer(web("one"))
    developer.push("main:other")
    assert "deleted" in developer.push("--delete", "other")
    assert developer.get() == (200, "one")


def test_a_tag_is_stored_and_starts_nothing(installation: Installation) -> None:
    developer = installation.developer(web("one"))
    runs = len(developer.ask("runs")["items"])
    developer.git("tag", "v1")
    assert "Tags start no pipeline run" in developer.push("v1")
    assert len(developer.ask("runs")["items"]) == runs


def test_a_push_without_anything_new_says_so(installation: Installation) -> None:
    developer = installation.developer(web("one"))
    assert "Everything up-to-date" in developer.push()


def test_a_branch_without_an_environment_is_built_and_says_so(installation: Installation) -> None:
    developer = installation.developer(web("one"))
    assert "No environment deploys the branch feature" in developer.push("main:feature")


def test_the_newest_push_wins_and_the_older_one_says_so(installation: Installation) -> None:
    developer = installation.developer({**web("one"), **ENDLESS_BUILD}, push=False)
    with developer.pushing() as first:
        first.until("building")
        developer.commit({**web("two"), "highroad.yaml": ""})
        developer.push()
        assert "superseded: Superseded by run 2" in first.end()
    assert developer.get() == (200, "two")


def test_an_interrupted_push_goes_on_without_its_developer(installation: Installation) -> None:
    developer = installation.developer({**web("one"), **SLOW_BUILD}, push=False)
    with developer.pushing() as push:
        push.until("building")
        push.process.send_signal(signal.SIGINT)
        push.end()
    wait(lambda: developer.answers("one"))
    assert developer.last_run()["state"] == "succeeded"


def test_a_configured_value_reaches_the_app(installation: Installation) -> None:
    developer = installation.developer(web("one"))
    assert developer.get("/setting") == (200, "unset")
    developer.highroad("config", "set", "SETTING=bright")
    assert developer.get("/setting") == (200, "bright")


def test_a_wrong_token_is_refused_with_the_way_out(installation: Installation) -> None:
    developer = installation.developer(web("one"), push=False)
    wrong = {"HIGHROAD_URL": installation.url, "HIGHROAD_TOKEN": "hr_" + "x" * 40}
    said = installation.run("git", "push", "highroad", "main", cwd=developer.directory, code=128, env=wrong)
    assert "highroad login" in said


def test_a_revoked_token_is_refused(installation: Installation) -> None:
    developer = installation.developer(web("one"))
    made = installation.ask("tokens", "create", "ci", "--scope", "git")
    mine = {"HIGHROAD_URL": installation.url, "HIGHROAD_TOKEN": made["token"]}
    installation.run("git", "ls-remote", "highroad", cwd=developer.directory, env=mine)
    installation.run("highroad", "tokens", "revoke", made["id"])
    installation.run("git", "ls-remote", "highroad", cwd=developer.directory, env=mine, code=128)
