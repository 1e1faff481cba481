"""How a command is declared: a function that takes an `Invocation`, with the options that all commands share.

Used by every module with commands. `needs` says what the command is about and thereby which options it gets.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal

import click

from highroad.cli.invocation import Invocation

Needs = Literal["nothing", "installation", "project", "service"]
Function = Callable[..., int | None]
_SHARED: dict[Needs, tuple[str, ...]] = {
    "nothing": (),
    "installation": ("url",),
    "project": ("url", "project"),
    "service": ("url", "project", "service", "environment"),
}


def command(name: str, *, needs: Needs = "installation", **settings: Any) -> Callable[[Function], click.Command]:
    """Make a click command `name` of `f(invocation, **its own parameters)`, which returns an exit code or None."""

    def decorate(function: Function) -> click.Command:
        @functools.wraps(function)
        def call(**values: Any) -> int | None:
            shared = {each: values.pop(each, None) for each in _SHARED[needs]}
            invocation = Invocation(json_wanted=values.pop("json_wanted"), **shared)
            return function(invocation, **values)

        made: Function = call
        for option in reversed(_options(needs)):
            made = option(made)
        return click.command(name, context_settings={"help_option_names": ["-h", "--help"], **settings})(made)

    return decorate


class DefaultGroup(click.Group):
    """A group whose first command runs when none is named: `highroad tokens` is `highroad tokens list`."""

    default = "list"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        asks_help = bool(args) and args[0] in ("-h", "--help")
        if not asks_help and not ctx.resilient_parsing and (not args or args[0].startswith("-")):
            args = [self.default, *args]
        return super().parse_args(ctx, args)


def group(name: str, *commands: click.Command, help: str) -> DefaultGroup:
    """A group of subcommands; the first one is its default."""
    made = DefaultGroup(name, help=help, context_settings={"help_option_names": ["-h", "--help"]})
    made.default = str(commands[0].name)
    for each in commands:
        made.add_command(each)
    return made


def completed_by(kind: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Live names of `kind` for a shell's completion; see `live_names`."""

    def complete(context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
        from highroad.cli.live_names import live_names

        return live_names(kind, context.params, typed)

    return complete


def _options(needs: Needs) -> list[Callable[[Function], Function]]:
    options: list[Callable[[Function], Function]] = []
    options.append(click.option("--json", "json_wanted", is_flag=True, help="Print JSON and nothing else."))
    if "url" in _SHARED[needs]:
        options.append(click.option("--url", metavar="URL", help="The installation, if not the usual one."))
    for short, kind in (("-p", "project"), ("-s", "service"), ("-e", "environment")):
        if kind in _SHARED[needs]:
            options.append(_name_option(short, f"--{kind}", kind))
    return options


def _name_option(short: str, long: str, kind: str) -> Callable[[Function], Function]:
    return click.option(
        short,
        long,
        metavar=kind.upper(),
        shell_complete=completed_by(kind),
        help=f"The {kind}, if not this repository's.",
    )
