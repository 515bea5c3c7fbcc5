"""The commands: each wires what it needs, shows what that reports, and ends in an exit code. Nothing imports this package."""
