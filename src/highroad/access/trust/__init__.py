"""Workload identity: a CI job shows whom its own platform says it is, and gets a short-lived token for that."""
