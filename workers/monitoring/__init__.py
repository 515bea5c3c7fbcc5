"""What the processes tell the world: logs, metrics, lag and health."""
