"""Highroad: an Internal Developer Platform that companies host themselves."""

__version__ = "0.1.0"
