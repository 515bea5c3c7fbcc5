"""The embedded stack's command, of this very tree: Python looks for the package beside this file first."""

import sys

from embedded_stack.cli import main

if __name__ == "__main__":
    sys.exit(main())
