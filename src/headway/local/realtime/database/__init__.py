"""What Realtime asks of Postgres: rights, stored messages, partitions."""
