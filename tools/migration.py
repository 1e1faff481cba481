"""Write a migration from what the tables in code have and the migrated schema has not: `tools/migration.py 0002 words`.

Read what it wrote before you keep it, and raise `HEAD` in `highroad.db.migrate`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config

import highroad.app.composition  # every table is in the metadata once the rooms are imported
from highroad.db.engine import Database
from highroad.db.migrate import MIGRATIONS, upgrade

assert highroad.app.composition


def main() -> None:
    number, *words = sys.argv[1:]
    with tempfile.TemporaryDirectory() as directory:
        database = Database(f"sqlite:///{Path(directory) / 'schema.sqlite'}")
        with database.begin() as tx:
            if any((MIGRATIONS / "versions").glob("*.py")):
                upgrade(tx.connection)
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = tx.connection
            command.revision(config, message=" ".join(words), rev_id=number, autogenerate=True)


if __name__ == "__main__":
    main()
