"""The folder of a fleet without a clone: what `workers init` writes, and how it brings it up to date."""
