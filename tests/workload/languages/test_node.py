"""Node projects: manager, build, start and tests follow package.json."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from highroad.workload.detect import NoStartCommand
from highroad.workload.model import Workload

Detect = Callable[..., Workload]


def package(**fields: Any) -> dict[str, str]:
    return {"package.json": json.dumps(fields)}


START = {"scripts": {"start": "node server.js"}}


@pytest.mark.parametrize(
    ("files", "manager", "lock"),
    [
        ({"package-lock.json": "{}"}, "npm", "package-lock.json"),
        ({"npm-shrinkwrap.json": "{}"}, "npm", "npm-shrinkwrap.json"),
        ({"pnpm-lock.yaml": ""}, "pnpm", "pnpm-lock.yaml"),
        ({"yarn.lock": ""}, "yarn", "yarn.lock"),
        ({}, "npm", None),
    ],
)
def test_the_manager_follows_the_lock_file(
    detected: Detect, files: dict[str, str], manager: str, lock: str | None
) -> None:
    build = detected({**package(**START), **files}).build
    assert (build.manager, build.lock_file) == (manager, lock)


def test_the_manager_that_is_named_wins_over_lock_files(detected: Detect) -> None:
    files = {"package-lock.json": "{}", "yarn.lock": ""}
    build = detected({**package(**START, packageManager="yarn@4.1.0"), **files}).build
    assert (build.manager, build.lock_file) == ("yarn", "yarn.lock")


@pytest.mark.parametrize(
    ("fields", "files", "command"),
    [
        (START, {}, "node server.js"),
        (
            {"scripts": {"start": "node --enable-source-maps dist/main.js"}},
            {},
            "node --enable-source-maps dist/main.js",
        ),
        ({"scripts": {"start": "next start"}}, {}, "npm start"),
        ({"scripts": {"start": "node a.js && node b.js"}}, {}, "npm start"),
        ({"scripts": {"start": "node a.js", "prestart": "x"}}, {}, "npm start"),
        ({"scripts": {"start": "x"}}, {"pnpm-lock.yaml": ""}, "pnpm start"),
        ({"main": "lib/api.js"}, {"lib/api.js": "listen("}, "node lib/api.js"),
        ({"main": "absent.js"}, {"index.js": "process.env.PORT"}, "node index.js"),
    ],
)
def test_the_start_command_is_the_shortest_right_one(
    detected: Detect, fields: dict[str, Any], files: dict[str, str], command: str
) -> None:
    workload = detected({**package(**fields), **files})
    assert workload.http is not None
    assert workload.http.command == command


def test_a_script_that_does_not_listen_is_a_worker(detected: Detect) -> None:
    workload = detected({**package(**START), "server.js": "console.log(1)"})
    assert (workload.http, workload.processes[0].name) == (None, "worker")


def test_a_build_script_is_run(detected: Detect) -> None:
    assert detected(package(scripts={"start": "x", "build": "tsc"})).build.commands == ("npm run build",)


def test_a_bundler_without_a_server_is_a_static_site(detected: Detect) -> None:
    workload = detected(package(scripts={"build": "vite build"}, devDependencies={"vite": "5"}))
    assert (workload.static, workload.build.publish, workload.build.language) == (True, "dist", "node")


def test_a_workspace_says_to_choose_a_member(detected: Detect) -> None:
    with pytest.raises(NoStartCommand, match=r"workspace of packages/\*") as caught:
        detected(package(workspaces=["packages/*"]))
    assert "Set the service's path" in caught.value.next_step


def test_a_package_that_nothing_starts_says_what_to_add(detected: Detect) -> None:
    with pytest.raises(NoStartCommand, match=r"neither scripts\.start nor main") as caught:
        detected(package(name="x"))
    assert '"start": "node server.js"' in caught.value.next_step


@pytest.mark.parametrize(
    ("files", "version"), [({".nvmrc": "v20.1\n"}, "20.1"), ({}, ">=18"), ({".nvmrc": "lts/*"}, ">=18")]
)
def test_the_version_is_what_the_source_asks(detected: Detect, files: dict[str, str], version: str) -> None:
    assert detected({**package(**START, engines={"node": ">=18"}), **files}).build.version == version


@pytest.mark.parametrize(
    ("script", "development", "command", "reports"),
    [
        ("node --test", {}, 'NODE_OPTIONS="$NODE_OPTIONS --test-reporter=spec', True),
        ("node --test test/", {}, 'NODE_OPTIONS="$NODE_OPTIONS --test-reporter=spec', True),
        ("vitest run", {}, "npm test -- --reporter=default --reporter=junit", True),
        ("jest", {"jest-junit": "1"}, 'JEST_JUNIT_OUTPUT_FILE="$HIGHROAD_JUNIT" npm test -- --reporters', True),
        ("jest", {}, "npm test", False),
        ("mocha && eslint .", {}, "npm test", False),
        ("vitest run && echo done", {}, "npm test", False),
    ],
)
def test_tests_are_asked_for_a_report_where_the_runner_can(
    detected: Detect, script: str, development: dict[str, str], command: str, reports: bool
) -> None:
    scripts = {"start": "x", "test": script}
    test = detected(package(scripts=scripts, devDependencies=development)).test
    assert test is not None
    assert test.command.startswith(command)
    assert test.junit == ("$HIGHROAD_JUNIT" if reports else None)


def test_an_old_node_is_not_asked_for_a_report(detected: Detect) -> None:
    files = package(scripts={"start": "x", "test": "node --test"})
    test = detected(files, toolchains={"node": "18.1.0", "npm": "9"}).test
    assert (test and test.command, test and test.junit) == ("npm test", None)


@pytest.mark.parametrize("script", ["", 'echo "Error: no test specified" && exit 1'])
def test_no_real_test_script_is_no_test(detected: Detect, script: str) -> None:
    assert detected(package(scripts={"start": "x", "test": script})).test is None


def test_fields_of_wrong_types_are_ignored(detected: Detect) -> None:
    files = package(
        scripts={"start": "node x.js", "test": 3, "build": []}, engines=[], workspaces=3, main=1, dependencies=None
    )
    assert detected(files).test is None
