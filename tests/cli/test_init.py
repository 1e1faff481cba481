"""From a repository to a service: what is created, what is remembered, what is refused, and that no file changes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Highroad, git
from tests.client.canned import Canned


@pytest.fixture
def installation(signed_in: Canned) -> Canned:
    """Knows nothing yet, and creates what is asked for."""
    signed_in.answer("GET", "/system", {"toolchains": {"python": "3.12"}})
    signed_in.answer("POST", "/projects", {"name": "my-shop"}, 201)
    for project in ("my-shop", "shop"):
        signed_in.answer("POST", f"/projects/{project}/environments", {"name": "production", "branch": "main"}, 201)
        git_url = f"{signed_in.url}/git/{project}/my-shop.git"
        signed_in.answer(
            "POST", f"/projects/{project}/services", {"name": "my-shop", "path": "", "git_url": git_url}, 201
        )
    return signed_in


def config(repository: Path, name: str) -> list[str]:
    done = subprocess.run(
        ["git", "config", "--local", "--get-all", name], cwd=repository, capture_output=True, text=True
    )
    return done.stdout.splitlines()


def test_a_repository_becomes_a_service(installation: Canned, highroad: Highroad, repository: Path) -> None:
    ran = highroad("init")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-1] == "Next: git push highroad main"
    assert "static" in ran.out
    bodies = {each.path: each.body for each in installation.requests if each.method == "POST"}
    assert bodies == {
        "/projects": {"name": "my-shop"},
        "/projects/my-shop/environments": {"name": "production", "mode": "production", "branch": "main"},
        "/projects/my-shop/services": {"name": "my-shop", "path": ""},
    }
    assert config(repository, "remote.highroad.url") == [f"{installation.url}/git/my-shop/my-shop.git"]
    names = ("url", "project", "service", "environment")
    assert [config(repository, f"highroad.{name}")[0] for name in names] == [
        installation.url,
        "my-shop",
        "my-shop",
        "production",
    ]


def test_the_work_tree_stays_as_it_was(installation: Canned, highroad: Highroad, repository: Path) -> None:
    highroad("init")
    assert git("status", "--porcelain", "--ignored", directory=repository) == ""


def test_git_then_signs_in_by_itself(installation: Canned, highroad: Highroad, repository: Path) -> None:
    highroad("init")
    asked = f"url={installation.url}/git/my-shop/my-shop.git\n\n"
    filled = subprocess.run(
        ["git", "credential", "fill"], input=asked, cwd=repository, capture_output=True, text=True, check=True
    )
    assert "username=highroad\npassword=hr_secret\n" in filled.stdout


def test_a_push_does_not_start_us_for_what_git_wants_stored(
    installation: Canned, highroad: Highroad, repository: Path
) -> None:
    highroad("init")
    helper = config(repository, f"credential.{installation.url}.helper")[-1].removeprefix("!")
    start = helper.partition(" || ")[2].partition(" git-credential")[0]
    without_us = helper.replace(start, "false")
    assert subprocess.run(["/bin/sh", "-c", f"{without_us} store"], check=False).returncode == 0
    assert subprocess.run(["/bin/sh", "-c", f"{without_us} get"], check=False).returncode == 1


def test_init_may_be_run_again(installation: Canned, highroad: Highroad, repository: Path) -> None:
    highroad("init")
    git_url = f"{installation.url}/git/my-shop/my-shop.git"
    installation.answer("GET", "/projects/my-shop", {"name": "my-shop"})
    installation.answer("GET", "/projects/my-shop/environments/production", {"name": "production", "branch": "main"})
    installation.answer("GET", "/projects/my-shop/services/my-shop", {"path": "", "git_url": git_url})
    ran = highroad("init", "--json")
    assert (ran.code, ran.document["created"], ran.document["next"]) == (0, [], "git push highroad main")
    assert len(installation.asked("POST", "/projects")) == 1
    assert len(config(repository, f"credential.{installation.url}.helper")) == 2


def test_a_creation_that_somebody_else_won_is_as_good(
    installation: Canned, highroad: Highroad, repository: Path
) -> None:
    installation.problem("GET", "/projects/shop", 404)
    installation.answer("GET", "/projects/shop", {"name": "shop"})
    installation._replies["POST", "/projects"].clear()
    installation.problem("POST", "/projects", 409)
    assert highroad("init", "-p", "shop").code == 0


def test_an_environment_that_deploys_another_branch_gets_the_right_push(
    installation: Canned, highroad: Highroad, repository: Path
) -> None:
    git("switch", "-q", "-c", "feature", directory=repository)
    installation.answer("GET", "/projects/my-shop/environments/production", {"name": "production", "branch": "main"})
    assert highroad("init").out.splitlines()[-1] == "Next: git push highroad feature:main"


def test_before_the_first_commit_the_next_step_makes_it(
    installation: Canned, highroad: Highroad, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = home / "my-shop"
    fresh.mkdir()
    git("init", "-q", "-b", "main", directory=fresh)
    (fresh / "index.html").write_text("<h1>Hi</h1>")
    monkeypatch.chdir(fresh)
    assert highroad("init").out.splitlines()[-1].startswith("Next: git add -A && git commit")


def test_a_subdirectory_is_a_service_of_its_own(
    installation: Canned, highroad: Highroad, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = repository / "apps" / "Admin"
    directory.mkdir(parents=True)
    (directory / "index.html").write_text("<h1>Admin</h1>")
    monkeypatch.chdir(directory)
    highroad("init")
    assert installation.asked("POST", "/projects/my-shop/services")[0].body == {"name": "admin", "path": "apps/Admin"}


def test_outside_of_a_repository_init_says_how_to_make_one(installation: Canned, highroad: Highroad) -> None:
    ran = highroad("init")
    assert ran.code == 2
    assert "git init" in ran.err
    assert installation.requests == []


def test_a_remote_that_leads_elsewhere_is_a_conflict_before_anything_is_made(
    installation: Canned, highroad: Highroad, repository: Path
) -> None:
    git("remote", "add", "highroad", "https://elsewhere.example/x.git", directory=repository)
    ran = highroad("init")
    assert ran.code == 5
    assert "https://elsewhere.example/x.git" in ran.err
    assert "--remote" in ran.err
    assert not [each for each in installation.requests if each.method == "POST"]


@pytest.fixture
def two(installation: Canned, highroad: Highroad, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository with the services api and web, each in its directory."""
    for name in ("api", "web"):
        (repository / name).mkdir()
        (repository / name / "index.html").write_text(name)
        made = {"name": name, "path": name, "git_url": f"{installation.url}/git/my-shop/{name}.git"}
        installation._replies["POST", "/projects/my-shop/services"].clear()
        installation.answer("POST", "/projects/my-shop/services", made, 201)
        monkeypatch.chdir(repository / name)
        assert highroad("init", "--remote", name).code == 0
    return repository


def test_each_directory_remembers_its_service(
    installation: Canned, highroad: Highroad, two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("api", "web"):
        place = f"/projects/my-shop/services/{name}/environments/production"
        installation.answer("GET", place, {"url": f"http://{name}.localhost"})
        monkeypatch.chdir(two / name)
        assert highroad("open").out == f"http://{name}.localhost\n"
    monkeypatch.chdir(two)
    assert "several services: api, web" in highroad("open").err
    assert highroad("open", "-s", "api").out == "http://api.localhost\n"


def test_a_second_service_is_told_about_the_remote_before_anything_is_made(
    installation: Canned, highroad: Highroad, two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = len(installation.asked("POST", "/projects/my-shop/services"))
    (two / "docs").mkdir()
    (two / "docs" / "index.html").write_text("docs")
    monkeypatch.chdir(two / "docs")
    ran = highroad("init", "--remote", "web")
    assert ran.code == 5
    assert "highroad init --remote docs" in ran.err
    assert len(installation.asked("POST", "/projects/my-shop/services")) == count


def test_what_cannot_be_recognised_creates_nothing(installation: Canned, highroad: Highroad, repository: Path) -> None:
    (repository / "index.html").unlink()
    ran = highroad("init")
    assert ran.code == 2
    assert not [each for each in installation.requests if each.method == "POST"]


def test_a_name_that_is_no_label_is_refused_with_one_that_is(
    installation: Canned, highroad: Highroad, repository: Path
) -> None:
    ran = highroad("init", "-p", "My_Project")
    assert ran.code == 2
    assert "'my-project'" in ran.err


def test_a_service_of_that_name_elsewhere_in_the_repository_is_a_conflict(
    installation: Canned, highroad: Highroad, repository: Path
) -> None:
    installation.answer("GET", "/projects/my-shop/services/my-shop", {"path": "apps/x", "git_url": "-"})
    assert highroad("init").code == 5


def test_without_a_branch_one_must_be_named(installation: Canned, highroad: Highroad, repository: Path) -> None:
    git("switch", "-q", "--detach", directory=repository)
    assert highroad("init").code == 2
    assert highroad("init", "--branch", "main").code == 0


def test_later_commands_know_their_service(installation: Canned, highroad: Highroad, repository: Path) -> None:
    highroad("init")
    installation.answer(
        "GET", "/projects/my-shop/services/my-shop/environments/production", {"url": "http://x.localhost"}
    )
    assert highroad("open", "--json").document == {"url": "http://x.localhost"}
