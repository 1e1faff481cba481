"""Transparency logs as values: what one needs to check the audit log without the installation that keeps it.

    merkle      hashing, roots and proofs of RFC 6962
    tiles       the layout of C2SP tlog-tiles: coordinates, paths, bundles of entries
    notes       C2SP signed notes and the keys that sign them, Ed25519
    checkpoint  C2SP tlog-checkpoint: origin, size and root, signed, with the time of signing
    archive     the file of a whole log: its lines, written by `highroad.audit` and read by `verify`
    verify      the check of a whole archive in one pass
    naming      when that fails: which line was changed, dropped, inserted, reordered or back-dated

It knows no database, no network and no clock, so that the command line and an auditor's own script may import it.
"""
