"""What a worker serves over HTTP, as numbers."""

from __future__ import annotations

import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

Series = dict[str, list[tuple[dict[str, str], float]]]
"""By name: labels and value of each."""


def page(port: int, path: str) -> tuple[int, str]:
    """Status and text; 0 where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def metrics(port: int) -> Series:
    """Empty while the worker is down."""
    return parse(page(port, "/metrics")[1])


def parse(text: str) -> Series:
    """Of Prometheus' text."""
    found: Series = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def total(series: Series, name: str, **labels: str) -> float:
    """The sum of all series of this name with these labels."""
    return sum(value for has, value in series.get(name, []) if labels.items() <= has.items())
