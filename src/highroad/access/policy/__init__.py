"""Decisions: roles by environment mode and the company's own policies, as Cedar. `permissions` asks, nobody else."""
