"""What pip is told by its configuration reaches uv."""

from __future__ import annotations

from tools.package_index import for_uv, parse


def test_options_are_read_as_pip_prints_them() -> None:
    assert parse("global.index-url='https://mirror.example/simple'\n:env:.cert='/ca.pem'\n") == {
        "index-url": "https://mirror.example/simple",
        "cert": "/ca.pem",
    }


def test_the_environment_wins_over_files_and_install_over_global() -> None:
    listing = ":env:.timeout='9'\nglobal.timeout='1'\ninstall.cert='/b'\nglobal.cert='/a'\n"
    assert parse(listing) == {"timeout": "9", "cert": "/b"}


def test_other_commands_options_do_not_count() -> None:
    assert parse("freeze.timeout='10'\n") == {}


def test_a_mirror_becomes_uvs_default_index() -> None:
    assert for_uv({"index-url": "https://mirror.example/simple"}, {}) == {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple"
    }


def test_what_is_set_for_uv_already_wins() -> None:
    assert for_uv({"index-url": "a", "cert": "/ca.pem"}, {"UV_DEFAULT_INDEX": "b"}) == {"SSL_CERT_FILE": "/ca.pem"}


def test_lists_take_the_form_that_uv_reads() -> None:
    told = for_uv({"extra-index-url": "a\nb", "find-links": "/x /y", "trusted-host": "h"}, {})
    assert told["UV_INDEX"] == "a b"
    assert told["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert told["UV_FIND_LINKS"] == "/x,/y"
    assert told["UV_INSECURE_HOST"] == "h"


def test_a_switch_counts_only_when_it_is_on() -> None:
    assert for_uv({"no-index": "true", "default-timeout": "180"}, {}) == {
        "UV_NO_INDEX": "1",
        "UV_HTTP_TIMEOUT": "180",
    }
    assert for_uv({"no-index": "false"}, {}) == {}
