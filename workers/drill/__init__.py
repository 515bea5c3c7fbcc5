"""The drill behind `workers chaos`: a plan of faults, done to a running fleet, and judged by `verify`."""
