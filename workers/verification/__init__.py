"""The proof: every record of Kafka against what the sink holds."""
