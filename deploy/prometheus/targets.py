"""Writes var/run/targets.json of this clone: `workers init --targets` does the same for any fleet's folder.

`make demo` and `make prometheus` run this.
"""

from __future__ import annotations

import sys
from pathlib import Path

from workers.errors import WorkersError
from workers.scaffold.targets import write_targets

TREE = Path(__file__).absolute().parents[2]


def main() -> int:
    try:
        found = write_targets(TREE)
    except WorkersError as error:
        print(f"targets: {'; '.join(str(error).splitlines())}", file=sys.stderr)
        return error.exit_code
    print(f"Prometheus scrapes {', '.join(found)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
