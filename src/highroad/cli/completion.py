"""`highroad completion`: the script for a shell. It calls `highroad` back with `_HIGHROAD_COMPLETE`; see `boundary`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from highroad.cli.command import command
from highroad.cli.invocation import Invocation

_INSTALL = {
    "bash": "echo 'eval \"$(highroad completion bash)\"' >> ~/.bashrc",
    "zsh": "echo 'eval \"$(highroad completion zsh)\"' >> ~/.zshrc",
    "fish": "highroad completion fish > ~/.config/fish/completions/highroad.fish",
}


@command("completion", needs="nothing")
@click.argument("shell", type=click.Choice(sorted(_INSTALL)))
def completion(invocation: Invocation, shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    bash:  echo 'eval "$(highroad completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(highroad completion zsh)"' >> ~/.zshrc
    fish:  highroad completion fish > ~/.config/fish/completions/highroad.fish
    """
    from highroad.cli.root import root

    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(root, {}, "highroad", "_HIGHROAD_COMPLETE").source()
    invocation.output.document({"shell": shell, "script": script, "install": _INSTALL[shell]})
    invocation.output.say(script)
