"""The drill behind `workers chaos`: injects planned faults into a running fleet, and verifies the result."""
