"""The commands: each wires what it needs, shows what that reports, and ends in an exit code. Nothing imports this package.

A module of this package imports at its top what its options need, and within a function what the work needs: the clients, the
settings, the parts of rich. A command imports no other command (`workers.cli.main`). So `--help` and completion answer at once,
and a command loads what it uses; tests/unit/cli/test_imports.py has the list.
"""
