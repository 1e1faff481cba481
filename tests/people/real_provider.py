"""An OpenID provider that somebody else wrote (`oidc-provider-mock`, on Authlib's server), in a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def running(*people: dict[str, Any]) -> Iterator[str]:
    """The issuer's URL. Each of `people` are claims with a `sub`."""
    users = [part for each in people for part in ("--user-claims", json.dumps(each))]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", "0", "--require-nonce", "true"]
    process = subprocess.Popen([*command, *users], stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", line):
                yield found.group(1)
                break
        else:
            raise AssertionError("".join(said))
    finally:
        process.terminate()
        process.communicate(timeout=10)
