"""Which language a command line needs, by the program it starts. `detect` asks when the files of a source do not tell:
`web: python -m shop.web` beside nothing but a package."""

from __future__ import annotations

import re

from highroad.workload.model import Language

_PROGRAMS: dict[str, Language] = dict.fromkeys(
    [
        "python",
        "gunicorn",
        "uvicorn",
        "hypercorn",
        "granian",
        "waitress-serve",
        "daphne",
        "flask",
        "fastapi",
        "streamlit",
        "celery",
        "rq",
        "dramatiq",
        "alembic",
        "pytest",
        "uv",
        "poetry",
        "pipenv",
    ],
    "python",
)
_PROGRAMS |= dict.fromkeys(["node", "npm", "npx", "pnpm", "yarn", "tsx", "next"], "node")
_AND_THEN = re.compile(r"&&|\|\||[;|]")
_IN_FRONT = re.compile(r"(?:exec|env|nice|time)|[A-Za-z_]\w*=.*")
_VERSION = re.compile(r"(?<=python)\d+(?:\.\d+)?$")


def language_of(command: str) -> Language | None:
    """The language of the first program of the line that is known; `cd api && exec python3 main.py` is Python."""
    for part in _AND_THEN.split(command):
        word = next((each for each in part.split() if not _IN_FRONT.fullmatch(each)), "")
        program = _VERSION.sub("", word.strip("'\"").rpartition("/")[2])
        if program in _PROGRAMS:
            return _PROGRAMS[program]
    return None
