"""SCIM 2.0 (RFC 7643, RFC 7644): a directory says who works here and in which groups. Beside the API, at /scim/v2."""
