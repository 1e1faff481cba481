"""Repository -> artifact: a checked-out tree becomes a content-addressed directory that any instance can run.

`pipelines` calls `build` and `testing`, `app` prunes. Nothing here knows of the database or of events.
"""
