"""Realtime over plain HTTP: broadcasts, health, and the fault switch."""
