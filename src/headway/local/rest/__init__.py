"""``/rest/v1``: the Data API as PostgREST serves it."""
