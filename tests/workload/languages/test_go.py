"""Go modules: the program is the one package main."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from highroad.workload.detect import NoStartCommand
from highroad.workload.model import Workload

Detect = Callable[..., Workload]
MODULE = {"go.mod": "module example.com/shop\n\ngo 1.22\n"}
SERVER = "package main\nfunc main() { http.ListenAndServe(addr, nil) }\n"


def test_a_program_in_the_root_is_built_and_started(detected: Detect) -> None:
    workload = detected({**MODULE, "main.go": SERVER, "go.sum": ""})
    assert workload.build.commands == ("go build -o bin/app .",)
    assert (workload.build.version, workload.build.lock_file) == ("1.22", "go.sum")
    assert workload.http is not None
    assert workload.http.command == "./bin/app"


def test_a_program_in_cmd_is_found(detected: Detect) -> None:
    workload = detected({**MODULE, "cmd/shopd/main.go": SERVER, "shop.go": "package shop"})
    assert workload.build.commands == ("go build -o bin/app ./cmd/shopd",)


def test_several_programs_must_be_chosen_from(detected: Detect) -> None:
    with pytest.raises(NoStartCommand, match=r"several programs: \./cmd/a, \./cmd/b"):
        detected({**MODULE, "cmd/a/main.go": SERVER, "cmd/b/main.go": SERVER})


def test_a_program_that_does_not_listen_is_a_worker(detected: Detect) -> None:
    assert detected({**MODULE, "main.go": "package main\n"}).http is None


def test_tests_are_run_when_there_are_any(detected: Detect) -> None:
    test = detected({**MODULE, "main.go": SERVER, "main_test.go": "package main"}).test
    assert test is not None
    assert test.command == "go test ./..."
