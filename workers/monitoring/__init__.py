"""Logs, metrics, lag and health of all processes."""
