"""docs/metrics.md is what the code says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"


def made():
    spec = importlib.util.spec_from_file_location("metrics_doc", DOCS / "metrics.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_all_metrics_is_what_the_code_says():
    assert (DOCS / "metrics.md").read_text(encoding="utf-8") == made().page(), "run `make docs`"


def test_names_and_units_follow_prometheus():
    names = re.findall(r"^\| `(\w+)` \| (\w+) \|", made().page(), re.MULTILINE)

    assert len(names) > 30
    assert len({name for name, _ in names}) == len(names), "no name means two things"
    for name, kind in names:
        assert not re.search(r"_(ms|millis|minutes|kb|mb)(_|$)", name)
        assert name.endswith("_total") == (kind == "counter"), name


def test_every_row_has_a_sentence():
    assert all(line.endswith(". |") for line in made().page().splitlines() if line.startswith("| `"))
