"""API and portal pages for what `access` keeps: people, teams, roles, policies, tokens, sign-in providers."""
