"""The click group behind `highroad`, which loads a command's module only when that command is asked for.

Used by `boundary`, by shell completion and by the generator of the command reference.
"""

from __future__ import annotations

import difflib
import importlib

import click
from click.shell_completion import CompletionItem

from highroad.cli import table


class Root(click.Group):
    """Names and summaries come from `table`, so that neither help nor completion imports any command."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click names it
        return [entry.name for _, entries in table.GROUPS for entry in entries]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click names it
        entry = table.ENTRIES.get(cmd_name)
        if entry is None:
            return None
        made = getattr(importlib.import_module(f"highroad.cli.{entry.module}"), entry.attribute)
        assert isinstance(made, click.Command)
        return made

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in table.ENTRIES and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            meant = f" Did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"There is no command {args[0]!r}.{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click names it
        formatter.write(table.full_help())

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002  # click names it
        return [
            CompletionItem(entry.name, help=entry.summary)
            for _, entries in table.GROUPS
            for entry in entries
            if entry.name.startswith(incomplete)
        ]


root = Root("highroad", context_settings={"help_option_names": ["-h", "--help"]})
