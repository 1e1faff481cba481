"""Secrets that stay in a store of somebody else's, read when a deployment needs them. One module for each kind."""
