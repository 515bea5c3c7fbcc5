"""Measures the workers beside what limits them and beside what people use instead: `python -m bench.compare`."""
