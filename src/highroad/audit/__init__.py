"""The audit log: the event log seen by who did it, and the Merkle tree that proves it.

Proof, over the pure `highroad.transparency`:

    entry       the line of an event: what the tree has the hash of, and what an archive has
    store       tables: tiles, checkpoints, keys, statements of retention, settings, witnesses
    tree        reading nodes, positions and proofs out of stored tiles; `proof_state`
    sequencer   follows the event log: puts new events into the tree and signs checkpoints
    archive     the whole log as a file that proves itself, and the check of the live log by the same code
    retention   drops what is too old, behind a signed statement that stays
    witness     hands checkpoints to others: a webhook, a Git repository
    actions     verbs: the period of retention, witnesses
    api         HTTP: checkpoint, tiles, proofs, keys, archive, verification, retention, witnesses

Looking and sending on:

    search, facts, reads     finding events; what they say of who did what; looking is recorded too
    formats, ocsf, export    events as files
    syslog, webhook, addresses   events to other systems
"""
