"""What `field_names = "escape"` costs: time to decode records, as a ratio and as microseconds for each name that needs it.

    python -m bench.policy_cost [rounds]

The rounds of all shapes take turns, and the median of their differences counts, so that other work on the machine changes little.
Counted, not timed: `python -m bench.decode_cost`.
"""

from __future__ import annotations

import statistics
import sys
import time

from bench.decode_cost import RECORDS, WITH_POLICIES, prepared

PLAIN, SET, NEEDED, _ = WITH_POLICIES
ESCAPED_NAMES = 4
"""In a record of the shape that needs it."""
PASSES = 20
"""Over all records, in one round."""


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    ready = {name: prepared(*WITH_POLICIES[name]) for name in (PLAIN, SET, NEEDED)}
    times: dict[str, list[float]] = {name: [] for name in ready}
    for _round in range(rounds):
        for name, (fetched, reader) in ready.items():
            started = time.process_time()
            for _pass in range(PASSES):
                reader.read(fetched)
            times[name].append((time.process_time() - started) / (PASSES * RECORDS) * 1e6)
    for name, each in times.items():
        print(f"{name:45} {statistics.median(each):.2f} us a record, median of {rounds}")
    ratios = [one / other for one, other in zip(times[SET], times[PLAIN], strict=True)]
    extra = [(one - other) / ESCAPED_NAMES for one, other in zip(times[NEEDED], times[SET], strict=True)]
    print(f"for records without such a name {statistics.median(ratios):.3f} of the time without the policy")
    print(f"for each name that needs it {statistics.median(extra):.2f} us")


if __name__ == "__main__":
    main()
