"""highroad.yaml: what it says is read as meant, and every flaw has its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from highroad.workload.config import BadConfig, Config, parse_config, read
from highroad.workload.model import Health, Limits
from highroad.workload.source import FileLeavesSource, Source

FULL = """\
build: {language: python, version: "3.12", commands: [make assets], publish: site}
test: {command: make test, junit: reports/junit.xml, required: false}
release: python manage.py migrate
health: {http: /healthz, headers: {Host: shop}, grace: 120, interval: 0.5, timeout: 2}
processes:
  web: serve --port $PORT
  nightly: {command: ./report, schedule: "0 3 * * *", limits: {memory: 1Gi}, variables: {MODE: full}}
  worker: {count: 3, drain: 5, stop_grace: 60, health: none}
variables: {LOG_LEVEL: info}
paths: [services/shop/**]
limits: {memory: 512Mi, cpu: 0.5, processes: 64, disk: 1Gi}
"""


def flaws(text: str) -> list[str]:
    with pytest.raises(BadConfig) as caught:
        parse_config("highroad.yaml", text)
    return [f"{error.pointer}: {error.detail}" for error in caught.value.errors]


def test_the_build_and_tests_are_read() -> None:
    config = parse_config("highroad.yaml", FULL)
    assert (config.language, config.version, config.commands, config.publish) == (
        "python",
        "3.12",
        ("make assets",),
        "site",
    )
    assert config.test is not None
    assert not isinstance(config.test, bool)
    assert (config.test.command, config.test.junit, config.test.required) == ("make test", "reports/junit.xml", False)
    assert config.release == "python manage.py migrate"


def test_processes_are_read() -> None:
    processes = parse_config("highroad.yaml", FULL).processes
    assert processes["web"].command == "serve --port $PORT"
    assert (processes["nightly"].schedule, processes["nightly"].limits) == ("0 3 * * *", Limits(memory=2**30))
    assert (processes["worker"].count, processes["worker"].stop_grace) == (3, 60)
    assert processes["worker"].health == Health(kind="none")


def test_limits_paths_and_variables_are_read() -> None:
    config = parse_config("highroad.yaml", FULL)
    assert config.limits == Limits(memory=512 * 2**20, cpu=0.5, processes=64, disk=2**30)
    assert config.paths == ("services/shop/**",)
    assert config.where("paths") == "highroad.yaml:10"


@pytest.mark.parametrize(
    ("text", "health"),
    [
        ("/up", Health(kind="http", path="/up")),
        ("none", Health(kind="none")),
        ("false", Health(kind="none")),
        ("{tcp: true, grace: 10}", Health(kind="tcp", grace=10.0)),
        ("{command: ./check}", Health(kind="command", command="./check")),
        ("{http: /up, timeout: 1}", Health(kind="http", path="/up", timeout=1.0)),
        ("{grace: 90}", Health(kind="tcp", grace=90.0)),
    ],
)
def test_a_health_check_has_short_and_long_forms(text: str, health: Health) -> None:
    assert parse_config("highroad.yaml", f"health: {text}\n").health == health


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("tests: pytest\n", "1:1: tests: is not a known field; did you mean 'test'?"),
        ("processes:\n  web: [a]\n", "2:3: processes.web: must be text or a mapping, not a list"),
        ("processes:\n  my_worker: a\n", "2:3: processes.my_worker: the name 'my_worker' cannot be used here"),
        ("processes:\n  web: {count: many}\n", "must be a whole number, not 'many'"),
        ("processes:\n  release: ./migrate\n", "'release' is no process"),
        (
            "processes:\n  n: {command: a, schedule: '0 3 * *'}\n",
            "2:19: processes.n.schedule: a schedule has five",
        ),
        ("processes:\n  n: {command: a, schedule: '0 25 * * *'}\n", "'25' is not a hour"),
        ("processes:\n  n: {command: a, schedule: '0 3 * * *', http: true}\n", "cannot listen"),
        ("limits: {memory: lots}\n", "1:10: limits.memory: 'lots' cannot be used here. Memory is bytes"),
        ("limits: {memory: 512}\n", 'must be text: write it in quotes, "512"'),
        ("limits: {cpu: 0}\n", "must be more than 0, not 0"),
        ("health: {http: /a, tcp: true}\n", "checks in one way only, not by http and tcp"),
        ("health: {grace: -1}\n", "must be more than 0"),
        ("test: true\n", "1:1: test: must be false, not true"),
        ("test: {}\n", "says nothing"),
        ("test: ''\n", "cannot be used here"),
        ("build: {publish: ../out}\n", "cannot be used here"),
        ("build: {language: pyton}\n", "did you mean 'python'?"),
        ("paths: [/etc/*]\n", "1:9: paths[0]: '/etc/*' cannot be used here"),
        ("variables: {A-B: x}\n", "1:13: variables.A-B: the name"),
        ("variables: {PORT: 80}\n", 'must be text: write it in quotes, "80"'),
        ("just text\n", "1:1: must be a mapping, not 'just text'"),
    ],
)
def test_a_flaw_is_named_with_its_place(text: str, flaw: str) -> None:
    assert any(flaw in each for each in flaws(text)), flaws(text)


def test_an_empty_file_says_nothing() -> None:
    assert parse_config("highroad.yaml", "") == Config("highroad.yaml")


def test_no_file_is_no_config(tree: Callable[..., Source]) -> None:
    assert read(tree({"highroad.md": ""})) is None


def test_a_link_out_of_the_source_is_refused(tree: Callable[..., Source], tmp_path: Path) -> None:
    source = tree({"app.py": ""})
    (tmp_path / "highroad.yaml").symlink_to("/etc/passwd")
    with pytest.raises(FileLeavesSource, match=r"highroad\.yaml"):
        read(source)
