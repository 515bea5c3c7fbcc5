"""The colours of the page, by the formulas of WCAG 2: what is read can be read, in both themes, by everybody.

axe-core does not look into the drawing; and no program of the tests knows what a colour-blind person sees: the matrices
are those of Machado, Oliveira and Fernandes (2009) for the complete deficiencies.
"""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest

import workers

CSS = (Path(workers.__file__).parent / "web/static/fleet.css").read_text()
THEMES = ("light", "dark")
WORKERS = [f"--w{number}" for number in range(7)]
DEFICIENCIES = {
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def colours(theme: str) -> dict[str, tuple[float, float, float]]:
    """By variable: red, green and blue from 0 to 1."""
    light, dark = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)[:2]
    found = dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{3,6});", light + (dark if theme == "dark" else "")))
    return {name: parsed(value) for name, value in found.items()}


def parsed(value: str) -> tuple[float, float, float]:
    digits = value[1:] if len(value) == 7 else "".join(each * 2 for each in value[1:])
    red, green, blue = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue


def linear(colour: tuple[float, float, float]) -> list[float]:
    return [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in colour]


def contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    first, second = (
        sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear(each), strict=True)) for each in (one, other)
    )
    return (max(first, second) + 0.05) / (min(first, second) + 0.05)


@pytest.mark.parametrize("theme", THEMES)
def test_text_has_a_contrast_of_four_and_a_half(theme):
    known = colours(theme)
    pairs = [
        (text, back) for text in ("--text", "--quiet", "--good", "--busy", "--bad") for back in ("--card", "--back")
    ]
    pairs += [
        ("--quiet", "--track"),
        ("--text", "--attention-back"),
        ("--act-text", "--act-back"),
        ("--link", "--back"),
    ]
    pairs += [("--ink-w0" if worker == "--w0" else "--ink-w1", worker) for worker in WORKERS]

    assert {pair: round(ratio, 2) for pair in pairs if (ratio := contrast(known[pair[0]], known[pair[1]])) < 4.5} == {}


@pytest.mark.parametrize("theme", THEMES)
def test_what_is_drawn_has_a_contrast_of_three(theme):
    known = colours(theme)
    lines = ("--hole", "--stored", "--sent", "--waiting", "--age")

    assert {name: ratio for name in lines if (ratio := contrast(known[name], known["--card"])) < 3} == {}


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_no_two_workers_look_the_same_to_a_colour_blind_person(theme, deficiency):
    """Nor does a worker look like a hole. The distance is that of CIELAB; 10 is plain beside each other."""
    known = colours(theme)
    seen = {name: lab(simulated(known[name], deficiency)) for name in WORKERS}

    def distance(one, other):
        return sum((a - b) ** 2 for a, b in zip(seen[one], seen[other], strict=True)) ** 0.5

    assert {pair: round(distance(*pair), 1) for pair in combinations(seen, 2) if distance(*pair) < 10} == {}


def simulated(colour, deficiency):
    rgb = linear(colour)
    return [min(1.0, max(0.0, sum(a * b for a, b in zip(row, rgb, strict=True)))) for row in DEFICIENCIES[deficiency]]


def lab(rgb):
    """Of linear red, green and blue, under D65."""
    rows = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    x, y, z = (
        sum(a * b for a, b in zip(row, rgb, strict=True)) / white
        for row, white in zip(rows, (0.9505, 1.0, 1.089), strict=True)
    )
    fx, fy, fz = (each ** (1 / 3) if each > 0.008856 else 7.787 * each + 16 / 116 for each in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)
