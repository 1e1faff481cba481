"""Envelope encryption of what must stay secret in the database; see `keyring`. Knows no database itself."""

from highroad.sealing.keyring import Keyring

__all__ = ["Keyring"]
