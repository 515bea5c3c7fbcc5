"""The order of the data path: poll, decode, write, commit. No driver, no I/O."""
