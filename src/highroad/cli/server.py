"""Commands that run the installation on this machine: up, down, backup, restore, sign-in-link.

They are the only ones that are not requests to the API, because there may be nobody to answer one.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from highroad.cli.command import command
from highroad.cli.invocation import Invocation
from highroad.errors import NotFound
from highroad.settings import Settings, data_directory, load

_data = click.option("--data", metavar="DIR", help="The data directory; HIGHROAD_DATA or ~/.highroad when left out.")


class NoInstallation(NotFound):
    code = "no-installation"
    title = "There is no installation here"


@command("up", needs="nothing")
@click.option("--port", type=click.IntRange(1, 65_535), help="The port of portal, API, git and apps (8080).")
@_data
@click.option("--database", metavar="URL", help="postgresql://... instead of SQLite in the data directory.")
@click.option("--bind", metavar="ADDRESS", help="The address to listen on (127.0.0.1).")
@click.option("--domain", metavar="NAME", help="The suffix of every app's host name (localhost).")
def up(
    invocation: Invocation,
    port: int | None,
    data: str | None,
    database: str | None,
    bind: str | None,
    domain: str | None,
) -> None:
    """Start Highroad on this machine and leave it running. What is running already stays as it is."""
    from highroad.app import lifecycle

    directory = data_directory(data, os.environ)
    settings = load(directory, os.environ, port=port, database=database, bind=bind, domain=domain)
    running = lifecycle.up(settings, invocation.output.note)
    if running.moved_from is not None:
        invocation.output.note(f"Port {running.moved_from} is busy; using {running.settings.port}.")
    url = running.settings.url
    invocation.output.document(
        {
            "url": url,
            "sign_in_link": running.sign_in_link,
            "data": str(directory),
            "port": running.settings.port,
            "started": running.started,
        }
    )
    invocation.output.say(f"Highroad is {'up' if running.started else 'running already'} at {url}")
    invocation.output.say(f"  sign in (once, within a day): {running.sign_in_link}")
    invocation.output.say(f"  data: {directory}")


@command("down", needs="nothing")
@_data
def down(invocation: Invocation, data: str | None) -> None:
    """Stop Highroad and every app it runs. Nothing is lost: `highroad up` brings all of it back."""
    from highroad.app import lifecycle

    was_up = lifecycle.down(_installation(data))
    invocation.output.document({"stopped": was_up})
    invocation.output.say("Highroad is stopped." if was_up else "Highroad was not running.")


@command("sign-in-link", needs="nothing")
@click.argument("email", required=False)
@_data
def sign_in_link(invocation: Invocation, email: str | None, data: str | None) -> None:
    """Make a one-time sign-in link for the user EMAIL, or for the operator. It is valid for a day."""
    from highroad.app import lifecycle

    link = lifecycle.sign_in_link(_installation(data), email or lifecycle.OPERATOR)
    invocation.output.document({"sign_in_link": link})
    invocation.output.say(link)


@command("backup", needs="nothing")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_data
@click.option("--include-master-key", is_flag=True, help="Put the master key in: whoever has FILE reads all secrets.")
def backup(invocation: Invocation, file: Path, data: str | None, include_master_key: bool) -> None:
    """Write database, repositories, artifacts and settings into FILE (.tar.gz). Highroad may go on meanwhile.

    Secrets are sealed in it: a restore needs the master key, DATA/master.key, which you keep elsewhere."""
    from highroad.app.backup import write_backup

    settings = _installation(data)
    written = write_backup(settings, file, include_master_key=include_master_key)
    invocation.output.document({"file": str(file), "bytes": written.size, "files": written.files})
    invocation.output.say(f"{file}: {written.files} files, {written.size / 1024**2:.1f} MiB")
    if not include_master_key and (settings.data / "master.key").exists():
        invocation.output.note(f"A restore needs {settings.data / 'master.key'}: keep a copy apart from your backups.")


@command("restore", needs="nothing")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_data
@click.option("--database", metavar="URL", help="The PostgreSQL database to restore into, which must be empty.")
@click.option(
    "--master-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The master key of the backup, DATA/master.key of then.",
)
def restore(
    invocation: Invocation, file: Path, data: str | None, database: str | None, master_key: Path | None
) -> None:
    """Restore FILE into a data directory that does not exist yet or is empty."""
    from highroad.app.backup import restore_backup

    directory = data_directory(data, os.environ)
    restored = restore_backup(file, directory, database=database, master_key=master_key)
    invocation.output.document({"data": str(directory), "files": restored.files})
    invocation.output.say(f"{directory}: {restored.files} files restored. Start it: highroad up --data {directory}")


def _installation(data: str | None) -> Settings:
    directory = data_directory(data, os.environ)
    if not (directory / "settings.json").exists():
        raise NoInstallation(
            f"{directory} holds no installation.", next_step="Start one: highroad up. Or name its directory: --data DIR"
        )
    return load(directory)
