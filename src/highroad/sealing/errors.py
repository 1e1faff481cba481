"""What can be wrong with keys and with what they sealed. No message ever holds a key or a value."""

from __future__ import annotations

from highroad.errors import Conflict, Temporary, Unavailable


class MasterKeyMissing(Conflict):
    code = "master-key-missing"
    title = "The master key is missing"


class WrongMasterKey(Conflict):
    code = "wrong-master-key"
    title = "This is not the master key of this installation"


class LooseMasterKey(Conflict):
    code = "loose-master-key"
    title = "The master key can be read by others"


class BadMasterKey(Conflict):
    code = "bad-master-key"
    title = "The master key cannot be used"


class MasterKeyCommandFailed(Unavailable, Temporary):
    """Also `Temporary`: a key service that is away comes back."""

    code = "master-key-command-failed"
    title = "The command that holds the master key failed"


class MasterKeyElsewhere(Conflict):
    """Rotation is asked of Highroad, but the key is given to it by whoever starts it."""

    code = "master-key-elsewhere"
    title = "The master key is not Highroad's to change"


class Locked(Unavailable):
    """A programming error mostly: a database was opened without its keys, and something is to be sealed."""

    code = "keys-locked"
    title = "The keys are not unlocked"


class CannotOpen(Conflict):
    code = "sealed-value-damaged"
    title = "A sealed value cannot be opened"
