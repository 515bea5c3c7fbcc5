"""All runs that docs/performance.md shows, one after the other: half an hour on a machine that does nothing else.

Each part writes its tables, its chart, and the table of goals when it ends. What ended well need not be measured again:
a part that fails does not stop the others, and `--from` goes on with a part after an interruption.

    python -m bench.everything [--from part] [--large] [--quick]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

PARTS = {
    "decode": ["bench.decode"],
    "peers": ["bench.compare", "--peers"],
    "latency": ["bench.latency"],
    "idle": ["bench.idle"],
    "growth": ["bench.growth"],
}
"""In the order in which they run: by name, the module and its options."""


def main() -> int:
    options = _parser().parse_args()
    failed = []
    for name in parts_from(options.part):
        command = [*PARTS[name], *(["--quick"] if options.quick else [])]
        if name == "growth" and options.large:
            command.append("--large")
        print(f"--- {name}", flush=True)
        started = time.monotonic()
        code = run([sys.executable, "-m", *command])
        if code is None:
            return told(f"interrupted; go on with: make bench-all FROM={name}", 130)
        minutes = (time.monotonic() - started) / 60
        print(f"--- {name}: {minutes:.1f} minutes" + (f", failed ({code})" if code else ""), flush=True)
        if code:
            failed.append(name)
    if failed:
        again = ", ".join(f"make bench-{name}" for name in failed)
        return told(f"failed: {', '.join(failed)}; the others are written. To measure them again: {again}", 1)
    return 0


def run(command: list[str]) -> int | None:
    """Its exit code; None after Ctrl-C, which it gets as well: it is waited for, since it removes its servers first."""
    part = subprocess.Popen(command)
    interrupted = False
    while True:
        try:
            code = part.wait()
        except KeyboardInterrupt:
            interrupted = True
        else:
            return None if interrupted else code


def parts_from(first: str) -> list[str]:
    """That part, and what comes after it."""
    names = list(PARTS)
    return names[names.index(first) :]


def told(text: str, code: int) -> int:
    print(f"bench-all: {text}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="All runs that docs/performance.md shows.")
    first = next(iter(PARTS))
    parser.add_argument("--from", dest="part", choices=list(PARTS), default=first, help="the part to begin with")
    parser.add_argument("--large", action="store_true", help="5,000,000 records as well, for some minutes more")
    parser.add_argument("--quick", action="store_true", help="few records, nothing written to docs/")
    return parser


if __name__ == "__main__":
    sys.exit(main())
