"""Decoding may not become dearer unnoticed: counted by bench/decode_cost.py, so a busy machine changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench import decode_cost


def test_decoding_costs_no_more_than_it_did() -> None:
    stored = decode_cost.stored().get(decode_cost.PYTHON)
    if stored is None:
        pytest.skip(f"no stored figure for Python {decode_cost.PYTHON}; `python -m bench.decode_cost --renew` makes it")

    # In a process of its own: a debugger or a coverage tool here would be counted too.
    program = "import json; from bench import decode_cost; print(json.dumps(decode_cost.measured()))"
    counted = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    rises = decode_cost.rises(json.loads(counted.stdout), stored)

    assert not rises, (
        "decoding has become dearer:\n  "
        + "\n  ".join(rises)
        + "\nIf it is worth that, `.venv/bin/python -m bench.decode_cost --renew` stores the new figures; say why in the commit."
    )


def test_a_rise_of_more_than_a_tenth_is_told() -> None:
    before = {"a number": {"instructions": 100.0, "blocks": 10.0}}

    assert decode_cost.rises({"a number": {"instructions": 110.0, "blocks": 10.0}}, before) == []
    assert decode_cost.rises({"a number": {"instructions": 112.0, "blocks": 1.0}}, before) == [
        "a number: 112 instructions a record, 12% more than 100"
    ]


def test_escaping_costs_a_record_without_such_a_name_nothing() -> None:
    """Of the figures that are in force: what is done once for 200 records is all that they pay."""
    stored = decode_cost.stored().get(decode_cost.PYTHON)
    if stored is None:
        pytest.skip(f"no stored figure for Python {decode_cost.PYTHON}")
    without, set_, needed, _ = (stored[shape] for shape in decode_cost.WITH_POLICIES)

    assert set_["instructions"] <= without["instructions"] + 2
    assert set_["blocks"] == without["blocks"]
    # About 40 instructions for a name, far from a microsecond.
    assert needed["instructions"] - without["instructions"] < 4 * 60


def test_metadata_costs_a_record_little() -> None:
    """Of the figures that are in force. In time it is 0.3 to 0.4 us for place and timestamp."""
    stored = decode_cost.stored().get(decode_cost.PYTHON)
    if stored is None:
        pytest.skip(f"no stored figure for Python {decode_cost.PYTHON}")
    without = stored["nested, 100 bytes"]
    place_and_timestamp, _ = (stored[shape] for shape in decode_cost.WITH_METADATA)

    assert place_and_timestamp["instructions"] - without["instructions"] < 110
    assert place_and_timestamp["calls into C"] - without["calls into C"] < 5
