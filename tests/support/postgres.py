"""A real Postgres per test process, and a cloned database per test."""
