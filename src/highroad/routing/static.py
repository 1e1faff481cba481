"""Which paths of a static site must stay unserved. Called by `caddy` before it routes a directory.

Caddy follows symbolic links and reads as Highroad's own user, so a link that a build left in its output could serve
the database. Links that leave the directory, or lead to a dot file in it, are listed here and hidden there. Dot
directories are not looked into, because no request gets into them.
"""

from __future__ import annotations

import os
from pathlib import Path

from highroad.errors import Permanent

MOST = 1000
WELL_KNOWN = ".well-known"  # RFC 8615; the one dot directory that is meant to be served


def unsafe_links(directory: str) -> tuple[str, ...]:
    """Absolute paths of the links under `directory` that must not be followed, sorted.

    Walks the whole tree once (about 0.1 s for 50,000 files). Raises `Permanent` when the directory is not there, is
    not a plain directory, or has more than `MOST` such links.
    """
    root = Path(directory)
    if root.is_symlink() or not root.is_dir():
        raise Permanent(f"The static site's directory {directory} is not there.", next_step="Deploy the service again.")
    real = root.resolve()
    found = [path for path in _links(root) if not _stays_inside(path, real)]
    if len(found) > MOST:
        raise Permanent(
            f"The static site has {len(found)} symbolic links that leave its directory.",
            next_step="Publish the files themselves instead of links to them.",
        )
    return tuple(sorted(str(path) for path in found))


def _links(root: Path) -> list[Path]:
    links: list[Path] = []
    for parent, directories, files in os.walk(root, onerror=_refuse):
        directories[:] = [name for name in directories if not name.startswith(".") or name == WELL_KNOWN]
        links.extend(path for name in (*directories, *files) if (path := Path(parent, name)).is_symlink())
    return links


def _refuse(error: OSError) -> None:
    raise Permanent(f"The static site cannot be read: {error}.", next_step="Deploy the service again.") from error


def _stays_inside(link: Path, root: Path) -> bool:
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):
        # Broken or circular: Caddy finds nothing there now, and hiding it keeps that so.
        return False
    if not target.is_relative_to(root):
        return False
    return not any(part.startswith(".") for part in target.relative_to(root).parts)
