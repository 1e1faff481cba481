"""Commands in the pages are commands that exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from tools.reference import root_command

_SHELL = re.compile(r"^```(?:sh|console|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(highroad [^`]+)`")
_TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)


def _lines(text: str) -> Iterator[str]:
    for block in _SHELL.findall(text):
        for line in block.splitlines():
            yield line.removeprefix("$ ").partition("   #")[0].strip()
    for line in _INLINE.findall(text):
        yield line


def _wrong(line: str, root: click.Group) -> str | None:
    """Why this `highroad ...` line cannot be typed, or None: subcommands and long options exist."""
    words = shlex.split(line)[1:]
    command: click.Command = root
    context = click.Context(root, info_name="highroad")
    for word in words:
        if word == "--":
            break
        if word.startswith("-"):
            flag = word.partition("=")[0]
            known = {
                name
                for parameter in command.get_params(context)
                for name in (*parameter.opts, *parameter.secondary_opts)
            }
            if flag not in known:
                return f"{line}: no option {flag}"
        elif isinstance(command, click.Group):
            found = command.get_command(context, word)
            if found is None:
                return f"{line}: no command {word}"
            command, context = found, click.Context(found, info_name=word, parent=context)
    return None


def test_highroad_commands_exist_with_their_options(pages: dict[str, str]) -> None:
    root = root_command()
    assert root is not None, "the CLI has no command group"
    lines = {line for text in pages.values() for line in _lines(text) if line.startswith("highroad ")}
    assert lines
    assert [why for line in sorted(lines) if (why := _wrong(line, root))] == []


def test_make_targets_exist(root: Path, pages: dict[str, str]) -> None:
    targets = set(_TARGET.findall((root / "Makefile").read_text()))
    used = {
        word for text in pages.values() for word in re.findall(r"(?:^|`)make ([a-z]+)(?=[ `\n])", text, re.MULTILINE)
    }
    assert used
    assert used - targets == set()
