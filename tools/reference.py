"""Write `docs/reference/` from the code, so that it cannot say something else than the code does.

Run by `make reference`; with `--check` it only names the pages that are not up to date (`make docs`, the commit hook
and `tests/docs` do that). A page is a function from nothing to Markdown. Everything is read by importing Highroad:
errors are the subclasses of `HighroadError`, settings the fields of `Settings` with the docstring under each, commands
what click knows, the API its OpenAPI document, events `ALL_TYPES`, permissions `ACTIONS`, `highroad.yaml` its JSON
Schema.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.util
import inspect
import json
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import click
import yaml

import highroad
from highroad.errors import HighroadError
from highroad.settings import Settings
from highroad.workload.model import Health, Process, Test

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reference"
_MADE = "<!-- Made by `make reference` from the code; change the code, not this page. -->"
_SIZES = {"push_limit", "build_memory", "build_output", "instance_memory", "instance_disk", "log_segment"}
_SECONDS = {"push_seconds", "build_seconds"}


# What each page opens with.
_SETTINGS = """\
A value comes from a flag of `highroad up` (`--port`, `--data`, …), else from the environment variable, else
from `settings.json` in the data directory, where `highroad up` keeps what it was given, else it is the
default. Sizes are in bytes and times in seconds."""

_ERRORS = """\
Every error says what is wrong, carries a code that stays the same across releases, and ends with what to do
next. The API answers with problem details (RFC 9457) whose `type` ends with the code; the CLI prints the same
on standard error, a `git push` as `remote:` lines, the portal as a page."""

_EVENTS = """\
What happened is kept as events: the [CDEvents](https://cdevents.dev) 0.5.1 vocabulary in a CloudEvents 1.0.2
envelope; types of Highroad's own begin with `dev.cdeventsx.highroad-`. Follow them with `highroad events -f`."""

_PERMISSIONS = """\
Everything is authenticated. A token may do what its account may do, within the token's scopes. What an account may do
follows from its role in the organization, its roles in environments, and the company's own policies."""

_CLI = """\
Every command takes `--help` and `--json`: exactly one JSON document on standard output, or one a line for a
stream. Errors go to standard error. Without `--project`, `--service` and `--environment` a command speaks of what
`highroad init` noted in the Git repository that you are in."""

_API = """\
The API is under `/api/v1`. A running Highroad serves its OpenAPI 3.1 document at `/api/v1/openapi.json`; this
page lists what is in it. Authenticate with `Authorization: Bearer TOKEN`.

- **Errors** are problem details (RFC 9457) with a `code` of [Errors](errors.md) and a `next_step`.
- **Lists** come in pages of `page_size`: pass a page's `next_page_token` as `page_token` to get the following one.
  The token is opaque; the last page's is null.
- **Streams** (logs, events) are server-sent events when you send `Accept: text/event-stream`; resume with
  `Last-Event-ID`.
- **Repeating a request is safe** with an `Idempotency-Key` header: the same key gives the first answer again.
- **Changing what you have read**: send the `ETag` of your copy as `If-Match`; when somebody else was
  faster, you get 412."""

_HIGHROAD_YAML = """\
`highroad.yaml` in the root of a service's source says what neither `score.yaml`, a `Procfile` nor the
language's own files say. Every key is optional and unknown keys are refused, with the nearest known one. The
JSON Schema is `src/highroad/workload/highroad.schema.json`, for editors that check while you type. Where no default
stands, what is left out is detected from the source; `highroad plan` shows what that comes to."""


def page(title: str, intro: str, *blocks: str) -> str:
    return "\n\n".join([_MADE, f"# {title}", intro, *(block for block in blocks if block)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; `|` and line breaks in cells are escaped. Empty without rows."""
    lines = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not lines:
        return ""
    escaped = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in [list(head), *lines]]
    ruled = [escaped[0], ["---"] * len(head), *escaped[1:]]
    return "\n".join(f"| {' | '.join(row)} |" for row in ruled)


def modules() -> Iterator[str]:
    """Every module of Highroad, imported; so that all subclasses exist. Modules run by name (`__main__`) apart."""
    yield "highroad"
    for found in pkgutil.walk_packages(highroad.__path__, "highroad."):
        if not found.name.endswith("__main__") and ".migrations" not in found.name:
            importlib.import_module(found.name)
            yield found.name


def existing(module: str, name: str) -> Any:
    """`module.name`, or None while the module or the name is not written yet."""
    if importlib.util.find_spec(module.rpartition(".")[0]) is None or importlib.util.find_spec(module) is None:
        return None
    return getattr(importlib.import_module(module), name, None)


# Settings


def meanings(kind: type) -> dict[str, str]:
    """The docstring under each field of a dataclass, by field name."""
    body = ast.parse(inspect.getsource(kind).strip()).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for line, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and isinstance(after, ast.Expr):
            assert isinstance(after.value, ast.Constant)
            found[line.target.id] = str(after.value.value)
    return found


def shown(name: str, value: object) -> str:
    """A default for people: sizes and times with their unit."""
    if name in _SIZES and isinstance(value, int):
        return f"{value} bytes ({value // 1024**2} MiB)"
    if name in _SECONDS and isinstance(value, float):
        return f"{value:g} seconds"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"`{value}`" if value != "" else "empty"


def settings() -> str:
    texts = meanings(Settings)
    rows = []
    for each in fields(Settings):
        default = "`~/.highroad`" if each.default is MISSING else shown(each.name, each.default)
        rows.append((f"`{each.name}`", f"`HIGHROAD_{each.name.upper()}`", default, texts.get(each.name, "")))
    return page("Settings", _SETTINGS, table(("Setting", "Environment variable", "Default", "Meaning"), rows))


# Errors


def error_classes() -> list[type[HighroadError]]:
    """Every class of error that a person can meet, families first, in a stable order."""
    list(modules())
    found: dict[str, type[HighroadError]] = {}

    def walk(kind: type[HighroadError]) -> None:
        for sub in kind.__subclasses__():
            if sub.__module__.startswith("highroad"):
                found[f"{sub.__module__}.{sub.__qualname__}"] = sub
            walk(sub)

    walk(HighroadError)
    # The module too: two classes of one code must not change places with the order of imports.
    return [
        HighroadError,
        *sorted(found.values(), key=lambda each: (each.status, len(each.__mro__), each.code, each.__module__)),
    ]


def errors() -> str:
    blocks = []
    # The client has classes of its own for what the API may answer; for people it is one error, told once.
    told: dict[str, type[HighroadError]] = {}
    for kind in error_classes():
        told.setdefault(kind.code, kind)
    for kind in told.values():
        family = next(base for base in kind.__mro__[1:] if base is not object)
        facts = f"HTTP status {kind.status}."
        if kind is not HighroadError and family is not HighroadError:
            facts += f" A kind of `{family.code}`."  # type: ignore[attr-defined]  # a subclass of HighroadError has one
        own = inspect.cleandoc(kind.__doc__) if kind.__doc__ and kind is not HighroadError else ""
        blocks.append(f"## {kind.code}\n\n{kind.title}. {facts}" + (f"\n\n{own}" if own else ""))
    return page("Errors", _ERRORS, *blocks)


# Events and permissions


def events() -> str:
    types = existing("highroad.events.model", "ALL_TYPES") or ()
    rows = [(f"`{each.name}`", each.meaning) for each in types]
    return page("Events", _EVENTS, table(("Type", "Meaning"), rows))


def permissions() -> str:
    actions: Mapping[str, Any] = existing("highroad.access.policy.actions", "ACTIONS") or {}
    scopes: Mapping[str, str] = existing("highroad.access.model", "SCOPES") or {}
    roles: Sequence[Any] = existing("highroad.access.policy.roles", "BUILT_IN") or ()
    organization: Mapping[str, str] = existing("highroad.access.policy.roles", "ORGANIZATION_MEANING") or {}
    rows = [
        (
            f"`{name}`",
            action.meaning,
            f"`{action.scope}`" if action.scope else "any",
            ", ".join(role.name for role in roles if name in role.actions),
        )
        for name, action in actions.items()
    ]
    blocks = ["## Scopes of a token", table(("Scope", "Allows"), [(f"`{n}`", text) for n, text in scopes.items()])]
    blocks += ["## Roles in the organization", table(("Role", "May"), [(f"`{n}`", t) for n, t in organization.items()])]
    blocks += [
        "## Roles in environments",
        "Granted for a project, or for all, and for one environment mode or all of them.",
        table(("Role", "May"), [(f"`{role.name}`", role.description) for role in roles]),
    ]
    blocks += ["## Actions", table(("Action", "Meaning", "Scope of the token", "Roles in environments"), rows)]
    return page("Permissions", _PERMISSIONS, *blocks)


# Commands


def root_command() -> click.Group | None:
    """The group behind `highroad`, or None while there is none."""
    root = existing("highroad.cli.root", "root")
    return root if isinstance(root, click.Group) else None


def commands(
    group: click.Group, context: click.Context | None = None, path: tuple[str, ...] = ("highroad",)
) -> Iterator[tuple[tuple[str, ...], click.Command, click.Context]]:
    """Every command that is not hidden, depth first, with its full path, e.g. `("highroad", "config", "set")`."""
    here = context or click.Context(group, info_name="highroad")
    for name in group.list_commands(here):
        try:
            command = group.get_command(here, name)
        except ModuleNotFoundError as error:
            # A command that is announced and not written yet has nothing to say; any other missing module is a mistake.
            if not (error.name or "").startswith("highroad."):
                raise
            print(f"left out: {' '.join([*path, name])} ({error})", file=sys.stderr)
            continue
        if command is None or command.hidden:
            continue
        inside = click.Context(command, info_name=name, parent=here)
        yield (*path, name), command, inside
        if isinstance(command, click.Group):
            yield from commands(command, inside, (*path, name))


def _parameters(command: click.Command, context: click.Context) -> str:
    rows = []
    for parameter in command.params:
        if (
            isinstance(parameter, click.Option)
            and not parameter.hidden
            and (record := parameter.get_help_record(context))
        ):
            rows.append((f"`{record[0]}`", record[1]))
    return table(("Option", "Meaning"), rows)


def cli() -> str:
    root = root_command()
    exit_codes = existing("highroad.cli.table", "EXIT_CODES")
    blocks = [f"```text\n{exit_codes.strip()}\n```"] if exit_codes else []
    for path, command, context in commands(root) if root else ():
        usage = " ".join([*path, *command.collect_usage_pieces(context)])
        text = inspect.cleandoc(command.help or "").replace("\b\n", "")
        blocks.append(
            f"## {' '.join(path)}\n\n```text\n{usage}\n```\n\n{text}\n\n{_parameters(command, context)}".strip()
        )
    return page("Commands", _CLI, *blocks)


# API


def openapi() -> dict[str, Any] | None:
    """The OpenAPI 3.1 document of the API, or None while there is none."""
    make: Callable[[], dict[str, Any]] | None = existing("highroad.app.composition", "openapi_document")
    return make() if make else None


def api() -> str:
    document = openapi() or {"paths": {}}
    groups: dict[str, list[tuple[str, str]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if isinstance(operation, Mapping) and "responses" in operation:
                tag = (operation.get("tags") or ["other"])[0]
                does = " ".join(operation.get("description", "").split())
                groups.setdefault(tag, []).append((f"`{method.upper()} {path}`", does))
    blocks = []
    for tag, rows in sorted(groups.items()):
        blocks.append(f"## {tag.capitalize()}\n\n{table(('Request', 'Does'), rows)}")
    return page("API", _API, *blocks)


# highroad.yaml


def schema() -> dict[str, Any] | None:
    file = ROOT / "src" / "highroad" / "workload" / "highroad.schema.json"
    return json.loads(file.read_text()) if file.exists() else None


_KINDS = {
    "string": "text",
    "integer": "whole number",
    "boolean": "true or false",
    "object": "mapping",
    "array": "list",
    "null": "nothing",
}


def _kind(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """What a value may be, in words: `text`, `number or text`, `mapping`."""
    if "$ref" in node:
        return _kind(definitions.get(node["$ref"].rpartition("/")[2], {}), definitions)
    if "const" in node or "enum" in node:
        return " or ".join(f"`{json.dumps(value)}`" for value in node.get("enum", [node.get("const")]))
    for key in ("oneOf", "anyOf"):
        if key in node:
            return " or ".join(dict.fromkeys(_kind(each, definitions) for each in node[key]))
    kinds = node.get("type", "anything")
    return " or ".join(_KINDS.get(each, each) for each in ([kinds] if isinstance(kinds, str) else kinds))


def _keys(node: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """(path, kind, description) of every key, depth first; `<name>` stands for a key that the user chooses."""
    if "$ref" in node:
        node = {**definitions.get(node["$ref"].rpartition("/")[2], {}), **node}
    for choice in [*node.get("oneOf", ()), *node.get("anyOf", ())]:
        yield from _keys(choice, definitions, prefix)
    nested = dict(node.get("properties", {}))
    if isinstance(node.get("additionalProperties"), Mapping):
        nested["<name>"] = node["additionalProperties"]
    for name, child in nested.items():
        resolved = {**definitions.get(child.get("$ref", "").rpartition("/")[2], {}), **child}
        path = f"{prefix}.{name}" if prefix else name
        yield f"`{path}`", _kind(child, definitions), str(resolved.get("description", ""))
        yield from _keys({key: value for key, value in resolved.items() if key != "$ref"}, definitions, path)


def _default(path: str) -> str:
    """What holds when the key is left out: the default of the field that it sets, empty where detection decides."""
    *above, name = path.strip("`").split(".")
    parent = above[-1] if above else ""
    if parent == "limits":
        field = {"memory": "instance_memory", "disk": "instance_disk", "processes": "instance_processes"}.get(name, "")
        return shown(field, getattr(Settings(Path("/")), field)) if field else "no limit of its own"
    kinds: dict[str, type] = {"health": Health, "test": Test, "<name>": Process}
    kind = kinds.get(parent)
    found = {each.name: each.default for each in fields(kind)} if kind else {}
    value = found.get(name, MISSING)
    if not isinstance(value, int | float) or name == "http":
        return ""
    return f"`{json.dumps(value)}`" if isinstance(value, bool) else f"{value:g}"


def highroad_yaml() -> str:
    document = schema() or {}
    rows = list(_keys(document, document.get("$defs", {}))) if document else []
    told = [(key, takes, _default(key), meaning) for key, takes, meaning in rows]
    examples = [
        f"```yaml\n# highroad.yaml\n{yaml.safe_dump(each, sort_keys=False, width=100)}```"
        for each in document.get("examples", ())
    ]
    return page("highroad.yaml", _HIGHROAD_YAML, *examples, table(("Key", "Takes", "Default", "Meaning"), told))


ALL_PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings,
    "cli.md": cli,
    "api.md": api,
    "highroad-yaml.md": highroad_yaml,
    "events.md": events,
    "errors.md": errors,
    "permissions.md": permissions,
}


def outdated(directory: Path = PAGES) -> list[str]:
    """Names of the pages that say something else than the code."""
    stale = []
    for name, make in ALL_PAGES.items():
        file = directory / name
        if not file.exists() or file.read_text() != make():
            stale.append(name)
    return stale


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write docs/reference/ from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is not up to date")
    if parser.parse_args(arguments).check:
        stale = outdated()
        if stale:
            print(f"Not up to date in docs/reference/: {', '.join(stale)}. Run `make reference`.", file=sys.stderr)
        return 1 if stale else 0
    PAGES.mkdir(parents=True, exist_ok=True)
    for name, make in ALL_PAGES.items():
        (PAGES / name).write_text(make())
    return 0


if __name__ == "__main__":
    sys.exit(main())
