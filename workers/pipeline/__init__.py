"""The data path: poll, decode, write, commit, in this order. No driver, no I/O."""
