from __future__ import annotations

from pathlib import Path

from highroad.builds.environment import certificates, command_environment, local_paths, registry_settings


def test_registry_settings_pass_and_everything_else_stays_away() -> None:
    kept = registry_settings(
        {
            "PIP_INDEX_URL": "https://packages.example/simple",
            "NPM_CONFIG_REGISTRY": "https://npm.example",
            "SSL_CERT_FILE": "/etc/ssl/ca.pem",
            "HIGHROAD_DATABASE": "postgresql://secret",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "UV_PUBLISH_TOKEN": "secret",
            "UV_CACHE_DIR": "/elsewhere",
            "PATH": "/home/me/bin",
        }
    )
    assert set(kept) == {"PIP_INDEX_URL", "UV_DEFAULT_INDEX", "NPM_CONFIG_REGISTRY", "SSL_CERT_FILE"}


def test_settings_for_pip_hold_for_uv_unless_uv_has_its_own() -> None:
    environ = {
        "PIP_FIND_LINKS": "/a /b",
        "PIP_INDEX_URL": "https://one.example",
        "UV_DEFAULT_INDEX": "https://two.example",
    }
    kept = registry_settings(environ)
    assert kept["UV_FIND_LINKS"] == "/a,/b"
    assert kept["UV_DEFAULT_INDEX"] == "https://two.example"


def test_a_proxy_passes_only_without_credentials() -> None:
    environ = {"HTTP_PROXY": "http://proxy.example:3128", "HTTPS_PROXY": "http://me:secret@proxy.example:3128"}
    assert set(registry_settings(environ)) == {"HTTP_PROXY"}


def test_directories_that_settings_name_become_visible(tmp_path: Path) -> None:
    settings = {"UV_FIND_LINKS": f"{tmp_path},/does/not/exist", "UV_INDEX": f"file://{tmp_path}", "X": "/"}
    assert local_paths(settings) == (str(tmp_path),)


def test_tests_get_certificates_but_no_registry() -> None:
    assert set(certificates({"PIP_INDEX_URL": "https://me:secret@x.example", "SSL_CERT_FILE": "/c"})) == {
        "SSL_CERT_FILE"
    }


def test_a_commands_path_begins_with_its_tools() -> None:
    assert command_environment({}, path=("/venv/bin", "/usr/bin"))["PATH"] == "/venv/bin:/usr/bin:/usr/local/bin:/bin"
