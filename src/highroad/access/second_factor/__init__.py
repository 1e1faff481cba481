"""The second factor: after the password, a code of an authenticator app (TOTP, RFC 6238) or a recovery code."""
