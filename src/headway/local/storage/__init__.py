"""``/storage/v1``: buckets and objects as the Storage server serves them."""
