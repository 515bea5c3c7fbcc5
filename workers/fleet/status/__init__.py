"""The state of the fleet at one moment: collected from every source, and judged."""
