"""The environment of build commands: clean, apart from what package tools need to reach the operator's registries.

`build` and `testing` call it once with Highroad's own environment. Of that nothing else passes: no setting of
Highroad, no credential of another program, no proxy that carries a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

_CERTIFICATES = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
)
_REGISTRIES = re.compile(r"(?:PIP|UV|NPM_CONFIG|YARN|BUNDLE)_[A-Z0-9_]+|GOPROXY|GOPRIVATE|GONOSUMDB|GOSUMDB|GOFLAGS")
# Settings that say where a tool puts things, or that publish: the build decides the first, and must not do the second.
_OURS = re.compile(
    r"UV_(?:PUBLISH|CACHE|PROJECT|PYTHON|TOOL|LINK|RUN|WORKING|CONFIG|FROZEN|LOCKED)\w*"
    r"|PIP_(?:TARGET|PREFIX|ROOT|USER|CACHE_DIR|LOG|CONFIG_FILE|REQUIRE_VIRTUALENV|PYTHON)\w*"
    r"|NPM_CONFIG_(?:CACHE|PREFIX|USERCONFIG|GLOBALCONFIG|LOCAL_PREFIX|INIT_MODULE|NODE_GYP|NOPROXY|USER_AGENT)\w*"
    r"|BUNDLE_(?:PATH|APP_CONFIG|GEMFILE|BIN|USER)\w*|YARN_(?:CACHE|GLOBAL)\w*"
)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy")
# uv does not read pip's settings; an operator who configured pip means every Python build.
_PIP_TO_UV = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_CERT": "SSL_CERT_FILE",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
}
SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin")


def registry_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of Highroad's environment that build commands get."""
    kept: dict[str, str] = {}
    for name, value in environ.items():
        upper = name.upper()
        registry = _REGISTRIES.fullmatch(upper) is not None and _OURS.fullmatch(upper) is None
        plain_proxy = name in _PROXIES and "@" not in value
        if name in _CERTIFICATES or registry or plain_proxy:
            kept[name] = value
    for pip, uv in _PIP_TO_UV.items():
        if pip in kept and uv not in kept:
            kept[uv] = ",".join(kept[pip].split()) if pip == "PIP_FIND_LINKS" else kept[pip]
    return dict(sorted(kept.items()))


def certificates(settings: Mapping[str, str]) -> dict[str, str]:
    """What of the settings is no secret and not about packages: for commands that need no registry."""
    return {name: value for name, value in settings.items() if name in (*_CERTIFICATES, *_PROXIES)}


def local_paths(settings: Mapping[str, str]) -> tuple[str, ...]:
    """Existing absolute paths that the settings name (certificates, directories of packages): builds must see them."""
    return tuple(sorted({path for value in settings.values() for path in _paths_in(value)}))


def _paths_in(value: str) -> Iterator[str]:
    for word in re.split(r"[\s,]+", value):
        path = urlsplit(word).path if word.startswith("file://") else word
        # The root alone would show the build everything.
        if path.startswith("/") and path.strip("/") and Path(path).exists():
            yield path


def command_environment(settings: Mapping[str, str], *, path: tuple[str, ...] = ()) -> dict[str, str]:
    """A whole environment for a build command: `settings`, a PATH that begins with `path`, and fixed values."""
    return {
        **settings,
        "PATH": ":".join(dict.fromkeys((*path, *SYSTEM_PATH))),
        "LANG": "C.UTF-8",
        "CI": "1",
        "NO_COLOR": "1",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
    }
