"""Detection decides in the order score.yaml, Procfile, language, then highroad.yaml, and says what is missing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from highroad.errors import HighroadError
from highroad.workload.detect import (
    ContainerTargetNeeded,
    LanguageMissing,
    NoStartCommand,
    NothingRecognised,
    detect,
)
from highroad.workload.model import Workload
from highroad.workload.source import Source

Detect = Callable[..., Workload]
SCORE = "apiVersion: score.dev/v1b1\nmetadata: {name: shop}\nservice: {ports: {www: {port: 80}}}\ncontainers:\n"
PYTHON = {"requirements.txt": "flask\ngunicorn\n", "app.py": "import flask\napp = flask.Flask(__name__)\n"}
GUNICORN = "gunicorn --bind 127.0.0.1:$PORT app:app"


def commands(workload: Workload) -> dict[str, str]:
    return {process.name: process.command for process in workload.processes}


def test_score_goes_before_the_procfile(detected: Detect) -> None:
    files = {**PYTHON, "Procfile": "web: other", "score.yaml": SCORE + "  web: {image: ., command: [serve]}\n"}
    assert commands(detected(files)) == {"web": "serve"}


def test_the_procfile_goes_before_the_language_but_the_language_builds(detected: Detect) -> None:
    workload = detected({**PYTHON, "Procfile": "web: serve\nrelease: migrate\n"})
    assert commands(workload) == {"web": "serve"}
    assert (workload.build.manager, workload.release_command) == ("pip", "migrate")


def test_a_procfile_with_only_a_release_leaves_the_processes_to_the_language(detected: Detect) -> None:
    assert commands(detected({**PYTHON, "Procfile": "release: migrate\n"})) == {"web": GUNICORN}


def test_a_score_container_without_a_command_takes_it_from_the_language(detected: Detect) -> None:
    assert commands(detected({**PYTHON, "score.yaml": SCORE + "  main: {image: .}\n"})) == {"main": GUNICORN}


def test_a_score_container_without_a_command_takes_it_from_the_procfile_first(detected: Detect) -> None:
    files = {**PYTHON, "Procfile": "web: serve\njobs: work\n"}
    score = "  main: {image: .}\n  jobs: {image: .}\n"
    assert commands(detected({**files, "score.yaml": SCORE + score})) == {"main": "serve", "jobs": "work"}


def test_a_score_container_that_nothing_starts_is_refused(detected: Detect) -> None:
    with pytest.raises(NoStartCommand, match=r"The container 'main' of score\.yaml names no command"):
        detected({"score.yaml": SCORE + "  main: {image: .}\n"})


def test_foreign_images_are_left_to_a_container_target(detected: Detect) -> None:
    workload = detected({"package.json": "{}", "score.yaml": SCORE + "  main: {image: nginx}\n"}, toolchains={})
    assert (workload.image, workload.build.language) == ("nginx", "other")


def test_highroad_yaml_is_laid_over_all(detected: Detect) -> None:
    workload = detected({**PYTHON, "highroad.yaml": "health: /up\nprocesses: {jobs: work}\n"})
    assert commands(workload) == {"web": GUNICORN, "jobs": "work"}
    assert workload.http is not None
    assert workload.http.health.path == "/up"


def test_highroad_yaml_alone_is_enough(detected: Detect) -> None:
    workload = detected({"highroad.yaml": "build: {commands: [make]}\nprocesses: {web: ./serve}\n", "main.c": ""})
    assert (commands(workload), workload.build.language) == ({"web": "./serve"}, "other")


def test_a_language_that_is_asked_for_is_not_guessed(detected: Detect) -> None:
    files = {
        **PYTHON,
        "package.json": '{"scripts": {"start": "node x.js"}}',
        "highroad.yaml": "build: {language: node}",
    }
    assert detected(files).build.language == "node"


def test_a_static_site_that_is_built_first(detected: Detect) -> None:
    workload = detected({"highroad.yaml": "build: {language: static, commands: [./make], publish: out}\n"})
    assert (workload.static, workload.build.publish, workload.processes) == (True, "out", ())


def test_every_process_has_a_reason(detected: Detect) -> None:
    workload = detected({**PYTHON, "Procfile": "# all\nweb: serve\n"})
    assert ("web: `serve`", "Procfile:2") in {(reason.what, reason.because) for reason in workload.reasons}
    assert not any(GUNICORN in reason.what for reason in workload.reasons)


@pytest.mark.parametrize(
    ("files", "missing"),
    [
        ({"package.json": '{"scripts": {"start": "node x.js"}}'}, "node and no npm"),
        ({"package.json": '{"scripts": {"start": "x"}}', "pnpm-lock.yaml": ""}, "node and no pnpm"),
        ({"go.mod": "module x", "main.go": "package main"}, "go"),
        ({"Gemfile": "", "config.ru": ""}, "ruby and no bundle"),
    ],
)
def test_a_language_that_the_machine_lacks_is_named(detected: Detect, files: dict[str, str], missing: str) -> None:
    with pytest.raises(LanguageMissing, match=f"has no {missing}") as caught:
        detected(files, toolchains={"python": "3.11"})
    assert "Install" in caught.value.next_step


@pytest.mark.parametrize("file", ["Dockerfile", "compose.yaml"])
def test_only_a_container_file_needs_a_container_target(detected: Detect, file: str) -> None:
    with pytest.raises(ContainerTargetNeeded, match=file) as caught:
        detected({file: "FROM scratch"})
    assert "Procfile" in caught.value.next_step


def test_a_language_without_a_builder_is_named(detected: Detect) -> None:
    with pytest.raises(NothingRecognised, match=r"Rust project \(Cargo.toml\)"):
        detected({"Cargo.toml": ""})


def test_nothing_recognised_lists_what_was_looked_for_and_what_is_there(detected: Detect) -> None:
    with pytest.raises(NothingRecognised) as caught:
        detected({"notes.txt": "", "data/x": ""})
    assert "score.yaml, Procfile, requirements.txt" in caught.value.detail
    assert "holds data, notes.txt" in caught.value.detail
    assert "Procfile" in caught.value.next_step


def test_an_empty_directory_is_said_to_be_empty(detected: Detect) -> None:
    with pytest.raises(NothingRecognised, match="holds nothing"):
        detected({})


def test_a_subdirectory_is_looked_at_by_itself(tree: Callable[..., Source]) -> None:
    source = tree({"package.json": "{}", "services/site/index.html": ""}, "services/site")
    assert detect(source, {}).build.language == "static"


def test_one_decision_per_tree(detected: Detect) -> None:
    assert detected(dict(PYTHON)) == detected(dict(PYTHON))


@pytest.mark.parametrize(
    "files",
    [
        {"score.yaml": b"\xff\xfe"},
        {"Procfile": b"web: \xff"},
        {"highroad.yaml": "a: [\n", "index.html": ""},
        {"pyproject.toml": "[project\n"},
        {"package.json": "{nope"},
        {"package.json": "[]"},
        {"package.json": "[" * 50_000},
        {"pyproject.toml": "a = " + "[" * 20_000},
        {"requirements.txt": b"#" * (1024 * 1024 + 1)},
    ],
)
def test_a_broken_file_is_an_error_that_says_what_to_do(detected: Detect, files: dict[str, str | bytes]) -> None:
    with pytest.raises(HighroadError) as caught:
        detected(files)
    assert caught.value.status in (413, 422)
    assert next(iter(files)) in caught.value.detail
    assert caught.value.next_step


def test_a_package_that_a_procfile_starts_with_python_is_python(detected: Detect) -> None:
    workload = detected({"Procfile": "web: python -m shop.web\n", "shop/web.py": "", "shop/__init__.py": ""})
    assert workload.build.language == "python"
    assert ("Python", "Procfile:1") in [(reason.what, reason.because) for reason in workload.reasons]


def test_a_command_of_node_needs_no_package_json(detected: Detect) -> None:
    assert detected({"Procfile": "web: node lib/server.js\n", "lib/server.js": ""}).build.language == "node"
    with pytest.raises(LanguageMissing):
        detected({"Procfile": "web: node lib/server.js\n"}, toolchains={})


def test_a_score_command_names_the_language_too(detected: Detect) -> None:
    score = SCORE + "  web: {image: ., command: [python, -m, shop.web]}\n"
    assert detected({"score.yaml": score, "shop/web.py": ""}).build.language == "python"


def test_the_program_of_the_web_process_goes_before_files_of_another_language(detected: Detect) -> None:
    files = {"package.json": "{}", "app.py": "", "Procfile": "web: python app.py\n"}
    assert detected(files).build.language == "python"
    assert detected({**files, "Procfile": "web: npm start\nworker: python app.py\n"}).build.language == "node"


def test_a_static_page_beside_a_python_process_stays_published(detected: Detect) -> None:
    workload = detected({"index.html": "", "Procfile": "worker: python -m jobs\n"})
    assert (workload.build.language, workload.static) == ("python", True)


def test_tests_that_are_not_run_are_a_warning(detected: Detect) -> None:
    files = {**PYTHON, "tests/test_app.py": ""}
    [warning] = detected(files).warnings
    assert warning == "No tests are run: tests/ is there, but pytest is not among the dependencies."
    assert detected({**files, "highroad.yaml": "test: false\n"}).warnings == ()


def test_a_framework_that_nothing_installs_is_a_warning(detected: Detect) -> None:
    [warning] = detected({"app.py": PYTHON["app.py"]}).warnings
    assert warning == "app.py uses Flask, but there is no requirements.txt that installs it."
