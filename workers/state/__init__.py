"""Small files that a worker leaves for others on its host: its slot, its heartbeat, its crashes, the events."""
