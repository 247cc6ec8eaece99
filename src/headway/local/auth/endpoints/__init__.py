"""The endpoints of ``/auth/v1``: each takes a ``Call`` and returns the response."""
