"""Sinks store operations and dead letters: the contract of every sink, and its implementations."""
