"""The HTTP API as Python: what the command line speaks, and nothing else of Highroad."""
