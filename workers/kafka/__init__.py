"""Everything that speaks to Kafka. The only package that imports kafka-python."""

# First of all, so that another version of the client is refused before a module asks it for a name that it lacks.
from workers.kafka import compat

__all__ = ["compat"]
