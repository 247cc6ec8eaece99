"""Channels: who has joined which topic, with which rights, and what reaches them."""
