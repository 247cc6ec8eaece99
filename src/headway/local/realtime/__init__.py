"""``/realtime/v1``: changes, broadcast and presence as the Realtime server serves them."""
