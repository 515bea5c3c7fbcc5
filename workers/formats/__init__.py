"""Decodes bytes into plain values, exactly or not at all. No driver, no I/O."""
