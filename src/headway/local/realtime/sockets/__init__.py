"""WebSocket connections: reading, writing without waiting, and letting go of those that misbehave."""
