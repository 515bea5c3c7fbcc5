"""A fleet of Kafka consumers that turns every record into exactly one MongoDB document."""

__version__ = "0.1.0"
