"""The command line: a client of the public API, and the switch of an installation on this machine."""
