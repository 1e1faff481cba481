"""Sign-in by other people's identity providers: OpenID Connect, authorization code with PKCE."""
