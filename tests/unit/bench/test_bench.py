"""The parts of bench/ that only compute: figures, tables, charts, who is the limit, and where a record is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.memory_records import MemoryRecords

from bench import decode_cost
from bench.backlog import Backlog, last_places, nested, place_of, shape, values
from bench.candidates import CONNECTOR, ONE, RAW, TUTORIAL, TWO
from bench.chart import Bar, bars
from bench.comparison import connector_table, peer_table, picture, ratio_table
from bench.figures import Spread, quantile, ratios
from bench.growth import Case, Run, cases, growth_table
from bench.peers import Load
from bench.sample import Sample
from bench.tables import COMPARED, PAGE, Table, between
from tests.support.dashboards import panels
from workers.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[3]
floats = st.lists(st.floats(0.1, 1e6), min_size=1, max_size=50)


def sample(
    rate: float, *, client: float = 0.5, database: float = 0.4, others: float = 0.0, disk: float = 0.1
) -> Sample:
    """Of one second; the processor's shares in cores."""
    cpu = {"client": client, "kafka": 0.1, "database": database, "others": others}
    return Sample(int(rate), 1.0, cpu, 1, 50 << 20, disk)


# Figures


@given(floats, st.floats(0.01, 1))
def test_a_quantile_is_a_value_that_so_many_do_not_exceed(values: list[float], share: float) -> None:
    found = quantile(values, share)

    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9


def test_the_quantiles_of_a_hundred_values() -> None:
    values = [float(each) for each in range(1, 101)]

    assert [quantile(values, share) for share in (0.5, 0.99, 1)] == [50, 99, 100]


def test_ratios_are_taken_within_their_round() -> None:
    # The second round was disturbed, all of it.
    assert ratios([80, 40, 90], [100, 50, 100]) == Spread(0.8, 0.8, 0.9)


def test_a_spread_without_one_is_told_as_one_figure() -> None:
    assert Spread.of([2.0]).text() == "2.00"
    assert Spread.of([1.0, 2.0, 4.0]).text(1) == "2.0 (1.0 to 4.0)"


# What is the limit


@pytest.mark.parametrize(
    ("found", "limit"),
    [
        (sample(1, client=0.95, database=0.95), "all cores"),
        (sample(1, client=0.3, database=0.97), "database"),
        (sample(1, client=0.96, database=0.2), "client"),
        (sample(1, client=0.1, database=0.8, disk=0.15), "database"),
        (sample(1, client=0.3, database=0.2, disk=0.75), "disk"),
        (sample(1, client=0.3, database=0.2), "taking turns"),
        (sample(1, client=0.3, database=0.2, others=1.4), "all cores"),
    ],
)
def test_the_limit_is_what_is_full(found: Sample, limit: str) -> None:
    assert found.limit(2) == limit


def test_no_worker_of_two_is_full_with_half_a_core_each() -> None:
    found = Sample(1, 1.0, {"client": 1.2, "kafka": 0.0, "database": 0.1, "others": 0.0}, 2, 0, None)

    assert found.limit(2) == "taking turns"


# Records


@given(st.integers(0, 20), st.integers(1, 50), st.integers(1, 9))
def test_the_last_places_are_the_highest_offsets(skipped: int, records: int, partitions: int) -> None:
    first = skipped * partitions
    highest: dict[int, int] = {}
    for number in range(first, first + records):
        partition, offset = place_of(number, partitions)
        highest[partition] = max(highest.get(partition, 0), offset)

    assert dict(last_places(first, records, partitions)) == highest


@pytest.mark.parametrize("size", [100, 1_000, 10_000])
def test_a_value_has_the_size_that_was_asked_for(size: int) -> None:
    value = shape(size)(123)

    assert json.loads(value)["number"] == 123
    assert size - 20 <= len(value) <= size


def test_values_are_named_by_a_word_on_a_command_line() -> None:
    assert json.loads(values("0")(7)) == {"number": 7}
    assert len(values("100")(7)) > 80
    assert json.loads(values("nested")(7))["lines"] == [{"n": 1}, {"n": 2}]


def test_the_nested_document_is_that_of_the_counted_cost() -> None:
    assert decode_cost.SHAPES["nested, 100 bytes"](7) == nested(7)


def test_a_backlog_is_what_kafka_reads() -> None:
    backlog = Backlog(shape(0), 3, 10_000, 3)

    values = [
        json.loads(record.value)["number"]
        for batch in backlog.batches[1]
        for part in MemoryRecords(batch)
        for record in part
    ]

    assert values == list(range(4, 10_003, 3))
    assert sum(map(len, backlog.rounds())) == sum(map(len, backlog.batches.values()))


def test_a_backlog_that_follows_a_crooked_one_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fill 3 partitions evenly"):
        Backlog(shape(0), 4, 10, 3)


# What is shown


def test_ours_are_shares_of_each_peer_within_rounds() -> None:
    found = {
        RAW: [sample(100), sample(50)],
        TUTORIAL: [sample(2), sample(2)],
        ONE: [sample(80), sample(40)],
        TWO: [sample(90), sample(45)],
    }

    table = ratio_table(found)

    assert table.columns == ["records/s, as a share", "one worker", "2 workers", "one worker's CPU a record"]
    assert [row[:3] for row in table.rows] == [
        ["of raw insert_many", "0.80", "0.90"],
        ["of tutorial's consumer", "30.00 (20.00 to 40.00)", "33.75 (22.50 to 45.00)"],
    ]
    assert {len(row) for row in table.rows} == {len(table.columns)}


def test_the_connector_is_compared_by_all_its_processes() -> None:
    two = Sample(100, 1.0, {"client": 0.5, "kafka": 0.1, "database": 0.4, "others": 0.0}, 2, 80_000_000, 0.1)
    found = {CONNECTOR: [sample(50, client=0.5)], ONE: [sample(40, client=0.1)], TWO: [two]}

    table = connector_table(found)

    assert table.columns == ["", ONE, TWO, CONNECTOR]
    assert [row[:3] for row in table.rows] == [
        ["records a second, of the connector's", "0.80", "2.00"],
        ["processor time a record, of the connector's", "0.25", "0.50"],
        ["memory", "52 MB", "160 MB"],
    ]


def test_the_table_has_a_row_for_everybody_with_what_limits() -> None:
    table = peer_table({RAW: [sample(1000)], ONE: [sample(500, database=0.99)]}, cores=8)

    assert [row[:3] for row in table.rows] == [[RAW, "1,000", "1.00"], [ONE, "500", "0.50"]]
    assert [row[-1] for row in table.rows] == ["taking turns", "database"]
    assert {len(row) for row in table.rows} == {len(table.columns)}


def test_the_table_of_growth_has_as_many_figures_as_columns() -> None:
    table = growth_table({Case("records 10", Load(10)): [Run(sample(10), 0.5), Run(sample(10), 0.6)]})

    assert {len(row) for row in table.rows} == {len(table.columns)}


@pytest.mark.parametrize("quick", [True, False])
def test_one_thing_grows_at_a_time(quick: bool) -> None:
    for case in cases(quick=quick, large=True):
        assert case.load.warm_up // case.load.partitions > 0
        assert case.workers <= case.load.partitions


def test_markdown_aligns_figures_to_the_right() -> None:
    table = Table(["", "records/s"], [["one worker", "5"]])

    assert table.markdown() == "|  | records/s |\n| --- | ---: |\n| one worker | 5 |\n"


def test_a_page_gets_its_text_between_the_comments_and_nothing_else_changes() -> None:
    page = "before\n<!-- a -->\nold\n<!-- end of a -->\nafter\n"

    assert between(page, "a", "new \\1\n") == "before\n<!-- a -->\nnew \\1\n<!-- end of a -->\nafter\n"
    with pytest.raises(ValueError, match="0 times the comments"):
        between(page, "b", "new")


@pytest.mark.parametrize(
    ("page", "name"), [*((PAGE, name) for name in ("peers", "latency", "growth", "goals")), (COMPARED, "connector")]
)
def test_the_pages_have_a_place_for_every_table(page: Path, name: str) -> None:
    assert "here" in between(page.read_text(encoding="utf-8"), name, "here")


def test_a_chart_is_xml_with_a_bar_to_scale_for_each() -> None:
    svg = bars("Rates & more", [Bar("<one>", 50, 40, 60, "50/s"), Bar("other", 100, 100, 100, "100/s", ours=False)])

    rects = [each for each in ET.fromstring(svg).iter() if each.tag.endswith("rect")]
    ours, other = (float(each.get("width") or 0) for each in rects)
    assert ours * 2 == other
    assert rects[1].get("class") == "quiet"
    assert "Rates &amp; more" in svg


def test_a_chart_of_nothing_is_a_chart() -> None:
    ET.fromstring(bars("Nothing", []))


def test_the_fastest_is_on_top() -> None:
    svg = picture({ONE: [sample(1)], RAW: [sample(2)]})

    assert svg.index(RAW) < svg.index(ONE)


# The page for users


def test_the_page_names_panels_and_settings_that_exist() -> None:
    page = PAGE.read_text(encoding="utf-8")
    limits = page.split("## What limits you")[1].split("\n## ")[0]
    dashboards = [json.loads(path.read_text()) for path in (REPOSITORY / "grafana/dashboards").glob("*.json")]
    titles = {panel["title"] for dashboard in dashboards for panel in panels(dashboard)}

    assert set(re.findall(r"\*\*(.+?)\*\*", limits)) <= titles
    names = {
        name.removeprefix("WORKERS_").removesuffix("_FILE").lower()
        for name in re.findall(r"WORKERS_[A-Z_]*[A-Z]", page)
    }
    assert names <= set(Settings.model_fields)


def test_the_page_tells_the_defaults_as_they_are() -> None:
    rows = re.findall(r"^\| `WORKERS_(\w+)` \((.+?)\) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    told = {name.lower(): text.replace(",", "").replace("1 MiB", "1048576") for name, text in rows}

    assert len(told) >= 7
    for name, text in told.items():
        assert str(Settings.model_fields[name].default).lower() == text, name
