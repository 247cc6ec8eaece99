"""The Phoenix channel protocol as Realtime speaks it: frames in, frames out, join payloads."""
