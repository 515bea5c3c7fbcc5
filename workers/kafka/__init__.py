"""The clients of Kafka. The only package that imports kafka-python."""

# Imported first: it refuses another version of the client before a module imports a name that that version lacks.
from workers.kafka import compat

__all__ = ["compat"]
