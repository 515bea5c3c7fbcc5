"""Where records end up: what a sink promises, and the sinks that keep it."""
