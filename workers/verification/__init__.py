"""Compares every record in Kafka with what the sink has stored, and manages the dead letters."""
