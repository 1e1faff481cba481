"""Ruby projects: Rails, Rack or a script."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from highroad.workload.detect import NoStartCommand
from highroad.workload.model import Workload

Detect = Callable[..., Workload]


@pytest.mark.parametrize(
    ("files", "command"),
    [
        (
            {"Gemfile": 'gem "rails"', "bin/rails": "", "config.ru": ""},
            "bundle exec rails server -b 127.0.0.1 -p $PORT",
        ),
        ({"Gemfile": "gem 'puma'", "config.ru": ""}, "bundle exec puma -b tcp://127.0.0.1:$PORT"),
        ({"Gemfile": "", "Gemfile.lock": "GEM\n  specs:\n    puma (6.4.0)\n", "config.ru": ""}, "bundle exec puma"),
        ({"Gemfile": "", "config.ru": ""}, "bundle exec rackup --host 127.0.0.1 --port $PORT"),
        ({"Gemfile": 'gem "sinatra"', "app.rb": ""}, "bundle exec ruby app.rb"),
    ],
)
def test_the_start_command_follows_the_gems(detected: Detect, files: dict[str, str], command: str) -> None:
    workload = detected(files)
    assert workload.http is not None
    assert workload.http.command.startswith(command)


def test_a_worker_script_does_not_listen(detected: Detect) -> None:
    assert detected({"Gemfile": "", "worker.rb": ""}).http is None


def test_a_gemfile_alone_says_what_to_add(detected: Detect) -> None:
    with pytest.raises(NoStartCommand, match=r"neither config\.ru nor"):
        detected({"Gemfile": ""})


def test_version_lock_and_tests_are_found(detected: Detect) -> None:
    files = {
        "Gemfile": 'gem "rspec"',
        "Gemfile.lock": "",
        "config.ru": "",
        ".ruby-version": "3.3.0\n",
        "spec/a_spec.rb": "",
    }
    workload = detected(files)
    assert (workload.build.version, workload.build.lock_file) == ("3.3.0", "Gemfile.lock")
    assert workload.test is not None
    assert workload.test.command == "bundle exec rspec"
