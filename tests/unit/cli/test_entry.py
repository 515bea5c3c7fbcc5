"""The garbage collector of a command: it keeps out of the way of its imports, and works while the command does."""

from __future__ import annotations

import json
import subprocess
import sys

WORK = """
import gc, json, sys
from workers.cli import entry, main

class Knot:
    alive = 0
    def __init__(self):
        Knot.alive += 1
        self.itself = self
    def __del__(self):
        Knot.alive -= 1

def work():
    collections = sum(each["collections"] for each in gc.get_stats())
    for number in range(3 * entry.IMPORTED_OBJECTS):
        Knot()
    print(json.dumps([collections - before, Knot.alive, gc.get_freeze_count() > 10_000]))
    sys.exit(0)

main.main = work
before = sum(each["collections"] for each in gc.get_stats())
entry.main()
"""


def test_the_garbage_that_a_command_makes_is_collected_and_its_imports_are_left_alone():
    ran = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True, check=True)

    during_imports, alive, frozen = json.loads(ran.stdout)
    assert (during_imports, frozen) == (0, True)
    # One look at each 10,000 new objects; two objects a knot.
    assert alive < 20_000
