"""Pushes and fetches with the real git client through a real server."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from highroad.errors import Invalid
from highroad.sources.repository import Repository
from tests.sources.developer import OTHER_TOKEN, TOKEN, Developer, ScriptedGate, Served, eventually, serving


def ask(
    served: Served, method: str, path: str, headers: Mapping[str, str] = {}, body: bytes = b""
) -> tuple[int, dict[str, str], str]:
    connection = HTTPConnection("127.0.0.1", served.port, timeout=20)
    connection.request(method, path, body=body or None, headers=dict(headers))
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text


@contextmanager
def killing(process: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_push_is_recorded_and_its_run_is_shown(served: Served, developer: Developer) -> None:
    commit = developer.commit({"app.py": "print(1)\n"})
    shown = developer.git("push", "highroad", "main")
    assert "remote: building" in shown
    assert "remote: live" in shown
    assert [(u.branch, u.old, u.new) for u in served.gate.pushes[0]] == [("main", None, commit)]
    assert served.gate.repository.heads() == {"main": commit}


def test_what_was_pushed_can_be_cloned_and_fetched(served: Served, developer: Developer) -> None:
    developer.commit({"app.py": "print(1)\n"})
    developer.git("push", "highroad", "main")
    developer.git("clone", "--quiet", served.url(), "copy", cwd=developer.home)
    commit = developer.commit({"app.py": "print(2)\n"})
    developer.git("push", "highroad", "main")
    developer.git("pull", "--quiet", cwd=developer.home / "copy")
    assert developer.git("rev-parse", "HEAD", cwd=developer.home / "copy").strip() == commit


@pytest.mark.parametrize("options", [["--depth=1"], ["--filter=blob:none"], ["-c", "protocol.version=0"]])
def test_every_kind_of_clone_works(served: Served, developer: Developer, options: list[str]) -> None:
    for number in range(3):
        developer.commit({"app.py": f"print({number})\n"})
    developer.git("push", "highroad", "main")
    developer.git("clone", "--quiet", *options, served.url(), "copy", cwd=developer.home)
    assert (developer.home / "copy" / "app.py").read_text() == "print(2)\n"


def test_the_first_branch_pushed_becomes_the_default(served: Served, developer: Developer) -> None:
    developer.commit({"app.py": ""})
    developer.git("push", "highroad", "main:trunk")
    assert served.gate.repository.default_branch() == "trunk"


def test_pushing_the_same_commit_again_sets_off_nothing(served: Served, developer: Developer) -> None:
    developer.commit({"app.py": ""})
    developer.git("push", "highroad", "main")
    assert "Everything up-to-date" in developer.git("push", "highroad", "main")
    assert len(served.gate.pushes) == 1


def test_a_forced_push_replaces_the_branch(served: Served, developer: Developer) -> None:
    old = developer.commit({"app.py": "1"})
    developer.git("push", "highroad", "main")
    developer.git("commit", "--quiet", "--amend", "--message", "Other")
    assert developer.try_git("push", "highroad", "main").returncode != 0
    developer.git("push", "--force", "highroad", "main")
    (update,) = served.gate.pushes[-1]
    assert update.old == old
    assert update.new == served.gate.repository.heads()["main"] != old


def test_a_branch_can_be_deleted_even_the_default_one(served: Served, developer: Developer) -> None:
    commit = developer.commit({"app.py": "1"})
    developer.git("push", "highroad", "main", "main:next")
    developer.git("push", "highroad", ":main")
    assert [(u.branch, u.old, u.new) for u in served.gate.pushes[-1]] == [("main", commit, None)]
    assert served.gate.repository.default_branch() == "next"


def test_tags_are_accepted(served: Served, developer: Developer) -> None:
    commit = developer.commit({"app.py": "1"})
    developer.git("tag", "--annotate", "v1", "--message", "One")
    developer.git("push", "highroad", "main", "v1")
    assert {u.tag for u in served.gate.pushes[0]} == {None, "v1"}
    assert served.gate.repository.tags() == {"v1": commit}


def test_a_ref_that_is_no_branch_or_tag_is_refused(served: Served, developer: Developer) -> None:
    developer.commit({"app.py": "1"})
    refused = developer.try_git("push", "highroad", "main:refs/pull/1/head")
    assert refused.returncode != 0
    assert "Highroad takes branches and tags, not refs/pull/1/head" in refused.stderr
    assert served.gate.pushes == []


def test_a_push_larger_than_the_limit_is_refused_and_leaves_nothing(
    repository: Repository, developer: Developer
) -> None:
    developer.commit({"model.bin": os.urandom(3 * 1024**2)})
    with serving(ScriptedGate(repository), push_limit=1024**2) as small:
        refused = developer.try_git("push", small.url(), "main")
    assert refused.returncode != 0
    assert "remote: Refused: More than 1 MB came in one push." in refused.stderr
    assert "remote: Next: Take large files out of the commits" in refused.stderr
    assert "[remote rejected] main -> main (larger than one push may be)" in refused.stderr
    assert small.gate.pushes == []
    assert sorted(path.name for path in (repository.path / "objects").rglob("*")) == ["info", "pack"]


def test_a_large_push_in_pieces_is_accepted(served: Served, developer: Developer) -> None:
    commit = developer.commit({"model.bin": os.urandom(5 * 1024**2)})
    developer.git("push", "highroad", "main")
    assert served.gate.repository.heads() == {"main": commit}


def test_a_push_that_does_not_arrive_in_time_is_refused(repository: Repository) -> None:
    command = b"%040d %040d refs/heads/main\0report-status side-band-64k" % (0, 1)
    body = b"%04x%s0000PACK" % (len(command) + 4, command)
    headers = {**bearer(), "Content-Type": "application/x-git-receive-pack-request", "Content-Length": "1000"}
    with serving(ScriptedGate(repository), push_seconds=0.5) as hasty:
        status, _, text = ask(hasty, "POST", "/git/shop/web.git/git-receive-pack", headers, body)
    assert status == 200
    assert "Refused: The request did not arrive within 0.5 s." in text
    assert "ng refs/heads/main not arrived in time" in text
    assert hasty.gate.pushes == []


def test_names_that_would_write_into_the_git_directory_are_refused(served: Served, developer: Developer) -> None:
    forged = developer.forged_commit([("100644", ".GIT", "x")])
    refused = developer.try_git("push", "highroad", f"{forged}:refs/heads/main")
    assert refused.returncode != 0
    assert "would write into `.git` or out of the repository (hasDotgit)" in refused.stderr
    assert served.gate.repository.heads() == {}


def test_submodule_addresses_that_run_commands_are_refused(served: Served, developer: Developer) -> None:
    developer.commit({".gitmodules": '[submodule "a"]\n\tpath = a\n\turl = -u./payload\n'})
    refused = developer.try_git("push", "highroad", "main")
    assert "could run a command where it is cloned (gitmodulesUrl)" in refused.stderr


def test_a_push_from_a_shallow_clone_says_how_to_complete_it(served: Served, developer: Developer) -> None:
    for number in range(3):
        developer.commit({"app.py": str(number)})
    shallow = developer.home / "shallow"
    developer.git("clone", "--quiet", "--depth=1", f"file://{developer.clone}", str(shallow))
    refused = developer.try_git("push", served.url(), "main", cwd=shallow)
    assert refused.returncode != 0
    assert "git fetch --unshallow" in refused.stderr


def test_two_pushes_to_two_branches_at_once_are_both_recorded(served: Served, developer: Developer) -> None:
    developer.commit({"app.py": "1"})
    pushes = [developer.start("push", served.url(), f"main:b{number}") for number in range(4)]
    for push in pushes:
        push.communicate(timeout=30)
    assert [push.returncode for push in pushes] == [0, 0, 0, 0]
    assert sorted(u.branch or "" for updates in served.gate.pushes for u in updates) == ["b0", "b1", "b2", "b3"]


def test_of_two_pushes_to_one_branch_at_once_each_move_is_recorded_in_its_order(
    served: Served, developer: Developer
) -> None:
    commits = [developer.commit({"app.py": str(number)}) for number in range(4)]
    developer.git("push", "highroad", f"{commits[0]}:refs/heads/main")
    pushes = [developer.start("push", "--force", served.url(), f"{c}:refs/heads/main") for c in commits[1:]]
    for push in pushes:
        push.communicate(timeout=30)
    moves = [updates[0] for updates in served.gate.pushes]
    assert [move.old for move in moves] == [None, *[move.new for move in moves[:-1]]]
    assert served.gate.repository.heads()["main"] == moves[-1].new


def test_leaving_a_push_closes_its_lines_and_keeps_the_change(served: Served, developer: Developer) -> None:
    commit = developer.commit({"app.py": "1"})
    served.gate.held = True
    push = developer.start("push", "highroad", "main")
    assert push.stderr is not None
    while b"live" not in push.stderr.readline():
        assert push.poll() is None
    os.killpg(push.pid, signal.SIGINT)
    push.communicate(timeout=20)
    assert served.gate.closed.wait(20)
    assert served.gate.repository.heads() == {"main": commit}


def test_a_restart_of_highroad_ends_open_pushes_with_a_word(served: Served, developer: Developer) -> None:
    developer.commit({"app.py": "1"})
    served.gate.held = True
    answers: list[str] = []
    push = threading.Thread(target=lambda: answers.append(developer.git("push", "highroad", "main")))
    push.start()
    eventually(lambda: served.gate.pushes, "the push did not arrive")
    served.loop.call_soon_threadsafe(served.gateway.detach)
    push.join(20)
    assert "remote: Highroad is restarting; the run goes on" in answers[0]


def test_a_shutdown_that_loses_patience_still_ends_open_pushes_well(
    repository: Repository, developer: Developer
) -> None:
    developer.commit({"app.py": "1"})
    answers: list[str] = []
    with serving(ScriptedGate(repository, held=True)) as running:
        push = threading.Thread(target=lambda: answers.append(developer.git("push", running.url(), "main")))
        push.start()
        eventually(lambda: running.gate.pushes, "the push did not arrive")
    push.join(20)
    assert "remote: Highroad is restarting; the run goes on" in answers[0]


def test_a_server_with_its_hands_full_says_so(repository: Repository) -> None:
    with serving(ScriptedGate(repository), most=0) as busy:
        status, headers, text = ask(busy, "GET", "/git/shop/web.git/info/refs?service=git-upload-pack", bearer())
    assert (status, headers["retry-after"]) == (503, "30")
    assert "Try again in a minute." in text


@contextmanager
def silent_pushes(served: Served, count: int) -> Iterator[None]:
    """Clients that begin a push and then send nothing."""
    connections = [HTTPConnection("127.0.0.1", served.port, timeout=20) for _ in range(count)]
    for connection in connections:
        connection.putrequest("POST", "/git/shop/web.git/git-receive-pack")
        connection.putheader("Content-Type", "application/x-git-receive-pack-request")
        connection.putheader("Content-Length", "1000")
        connection.putheader("Authorization", f"Bearer {OTHER_TOKEN}")
        connection.endheaders()
    yield
    for connection in connections:
        connection.close()


def test_pushes_that_fall_silent_are_in_nobodys_way_but_their_own(repository: Repository, developer: Developer) -> None:
    commit = developer.commit({"app.py": "1"})
    with serving(ScriptedGate(repository), most=1, turn_seconds=1.0) as narrow, silent_pushes(narrow, 4):
        developer.git("push", narrow.url(), "main")
        headers = {**bearer(OTHER_TOKEN), "Content-Type": "application/x-git-upload-pack-request"}
        status, _, _ = ask(narrow, "POST", "/git/shop/web.git/git-upload-pack", headers, b"0000")
    assert repository.heads() == {"main": commit}
    assert status == 503


SERVER = """
import sys, time
from pathlib import Path
from highroad.sources.git import install
from highroad.sources.repository import Repository
from tests.sources.developer import ScriptedGate, serving
with serving(ScriptedGate(Repository(Path(sys.argv[1]), install(Path(sys.argv[2]))), held=True)) as running:
    print(running.url(), flush=True)
    time.sleep(60)
"""


def test_a_killed_control_plane_ends_the_push_and_keeps_the_commit(
    repository: Repository, developer: Developer
) -> None:
    commit = developer.commit({"app.py": "1"})
    root = Path(__file__).parents[2]
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(repository.path), str(repository.git.home)],
        env={"PYTHONPATH": f"{root}:{root / 'src'}", "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    )
    with server, killing(server):
        assert server.stdout is not None
        push = developer.start("push", server.stdout.readline().strip(), "main")
        assert push.stderr is not None
        while b"live" not in push.stderr.readline():
            assert push.poll() is None
        server.kill()
        push.communicate(timeout=20)
    assert repository.heads() == {"main": commit}
    repository.git.run("fsck", "--strict", repository=repository.path)


def test_an_error_of_the_run_is_shown_and_the_commit_stays(served: Served, developer: Developer) -> None:
    commit = developer.commit({"app.py": "1"})
    served.gate.failure = Invalid("There is nothing to run.", next_step="Add a Procfile.")
    shown = developer.git("push", "highroad", "main")
    assert "remote: The input is not valid: There is nothing to run." in shown
    assert "remote: Next: Add a Procfile." in shown
    assert served.gate.repository.heads() == {"main": commit}


def test_an_unexpected_failure_is_logged_and_told_without_its_text(
    served: Served, developer: Developer, caplog: pytest.LogCaptureFixture
) -> None:
    developer.commit({"app.py": "1"})
    served.gate.failure = RuntimeError("secret detail")
    shown = developer.git("push", "highroad", "main")
    assert "remote: Next: See `highroad status`; `highroad deploy` runs it again." in shown
    assert "secret detail" not in shown
    assert "secret detail" in caplog.text


def test_lines_cannot_drive_the_terminal(served: Served, developer: Developer) -> None:
    developer.commit({"app.py": "1"})
    served.gate.lines = ["\x1b]0;owned\x07\x1b[31mred\x1b[0m\rline"]
    shown = developer.git("push", "highroad", "main")
    assert "remote: redline" in shown
    assert "owned" not in shown


@pytest.mark.parametrize("token", ["wrong", ""])
def test_a_wrong_token_is_told_so(served: Served, developer: Developer, token: str) -> None:
    developer.commit({"app.py": "1"})
    refused = developer.try_git("push", served.url(user="x" if token else "", token=token), "main")
    assert refused.returncode != 0
    assert "Authentication failed" in refused.stderr or "could not read" in refused.stderr


def test_a_missing_service_is_told_with_what_to_do(served: Served, developer: Developer) -> None:
    refused = developer.try_git("ls-remote", served.url().replace("web.git", "api.git"))
    assert "remote: Not found: There is no service 'api'." in refused.stderr
    assert "remote: Next: Run `highroad init`." in refused.stderr


def test_an_anonymous_request_is_asked_for_a_password(served: Served) -> None:
    status, headers, text = ask(served, "GET", "/git/shop/web.git/info/refs?service=git-upload-pack")
    assert status == 401
    assert headers["www-authenticate"] == 'Basic realm="Highroad"'
    assert "Next: Run `highroad login`." in text


def test_a_browser_is_told_what_the_address_is_for(served: Served) -> None:
    status, _, text = ask(served, "GET", "/git/shop/web.git")
    assert status == 404
    assert f"git clone http://127.0.0.1:{served.port}/git/shop/web.git" in text


@pytest.mark.parametrize(
    "path",
    [
        "/git/../etc/web.git/info/refs?service=git-upload-pack",
        "/git/%2e%2e/web.git/info/refs?service=git-upload-pack",
        "/git/shop/%2e%2e%2fweb.git/info/refs?service=git-upload-pack",
        "/git/SHOP/web.git/info/refs?service=git-upload-pack",
        "/git/shop/web.git/objects/info/packs",
        "/git/shop/web.git/HEAD",
        "/git/",
    ],
)
def test_other_paths_are_not_found(served: Served, path: str) -> None:
    assert ask(served, "GET", path, bearer())[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/git/shop/web.git/info/refs", {}, 400),
        ("GET", "/git/shop/web.git/git-receive-pack", {}, 405),
        ("POST", "/git/shop/web.git/git-receive-pack", {"Content-Type": "text/plain"}, 415),
        ("POST", "/git/shop/web.git/git-receive-pack", {"Content-Type": "application/x-git-receive-pack-request"}, 400),
    ],
)
def test_what_git_would_not_send_is_refused(
    served: Served, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    assert ask(served, method, path, {**bearer(), **headers})[0] == status


@pytest.mark.parametrize("body", [b"zzzz", b"0032not a ref update, nor anything else that it is..", b"00"])
def test_a_body_that_is_no_push_is_refused(served: Served, body: bytes) -> None:
    headers = {**bearer(), "Content-Type": "application/x-git-receive-pack-request"}
    status, _, text = ask(served, "POST", "/git/shop/web.git/git-receive-pack", headers, body)
    assert status == 400
    assert "Next: " in text


def test_the_empty_push_with_which_git_asks_for_the_password_is_answered(served: Served) -> None:
    headers = {**bearer(), "Content-Type": "application/x-git-receive-pack-request", "Content-Encoding": "gzip"}
    status, _, text = ask(served, "POST", "/git/shop/web.git/git-receive-pack", headers, gzip.compress(b"0000"))
    assert (status, text) == (200, "")


def test_a_bomb_of_zeros_is_refused(served: Served) -> None:
    headers = {**bearer(), "Content-Type": "application/x-git-upload-pack-request", "Content-Encoding": "gzip"}
    bomb = gzip.compress(b"\0" * 50 * 1024**2)
    assert ask(served, "POST", "/git/shop/web.git/git-upload-pack", headers, bomb)[0] == 413
