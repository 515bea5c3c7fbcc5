"""What bench/decode_cost.py counts, beside the runs in docs/bench, so that the table of goals needs nothing else.

python -m bench.decode [--quick]    quick: nothing written to docs/
"""

from __future__ import annotations

import sys

from bench import decode_cost, goals
from bench.tables import store


def main() -> None:
    """Count in this process, which has done nothing yet."""
    counted = decode_cost.measured()
    for shape, figures in counted.items():
        print(f"{shape}: {figures['instructions']:,.0f} instructions to decode a record")
    if "--quick" not in sys.argv[1:]:
        store("decode", {"counted": {decode_cost.PYTHON: counted}})
        goals.write()


if __name__ == "__main__":
    main()
