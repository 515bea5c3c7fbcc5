"""What a person sees of the page, asked of the browser: its words, its bands, its marks, the colour of a place."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from tests.support.browser import Browser
from tests.support.embedded import wait_until

Colour = tuple[int, int, int]
SHOWN = "Boolean(document.body?.dataset.shown && document.querySelector('#plot .band, #plot .note'))"


class PageView:
    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    def open(self, url: str, **options: Any) -> None:
        self.browser.open(url, **options)
        wait_until(lambda: self.browser.value(SHOWN), 20, "the page is shown")

    def text(self, selector: str) -> str:
        """Of all elements that match, a line each."""
        script = f"[...document.querySelectorAll({selector!r})].map((each) => each.textContent).join('\\n')"
        return str(self.browser.value(script)).replace("\N{NO-BREAK SPACE}", " ")

    def wait(self, expression: str, what: str, seconds: float = 10) -> None:
        wait_until(lambda: self.browser.value(f"Boolean({expression})"), seconds, what)

    def wait_text(self, selector: str, part: str, seconds: float = 10) -> None:
        try:
            wait_until(lambda: part in self.text(selector), seconds, f"{part!r} in {selector}")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; there is {self.text(selector)!r}") from None

    def box(self, selector: str) -> dict[str, float]:
        """Of the first that matches: x, y, width, height in the window."""
        script = f"JSON.parse(JSON.stringify(document.querySelector({selector!r}).getBoundingClientRect()))"
        return dict(self.browser.value(script))

    def boxes(self, selector: str) -> list[dict[str, float]]:
        script = f"[...document.querySelectorAll({selector!r})].map((each) => each.getBoundingClientRect().toJSON())"
        return list(self.browser.value(script))

    def click(self, selector: str) -> None:
        """In its middle, as a person does."""
        self.browser.value(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center'}})")
        box = self.box(selector)
        self.browser.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def colours(self, x: float, y: float, width: int = 1, height: int = 1) -> list[Colour]:
        """Of the pixels of a small part of the window, row by row."""
        scroll = self.browser.value("window.scrollY")
        return pixels(self.browser.picture((round(x), round(y + scroll), width, height)))

    def errors(self) -> list[str]:
        return [line for line in self.browser.told if line.startswith("error")]

    def asked(self) -> list[str]:
        return [line.removeprefix("request ") for line in self.browser.told if line.startswith("request ")]


def pixels(png: bytes) -> list[Colour]:
    """Of a PNG as Chromium writes them: eight bits, RGB or RGBA, not interlaced."""
    at, packed, width, height, channels = 8, b"", 0, 0, 3
    while at < len(png):
        (size,), kind = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        content = png[at + 8 : at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", content[:10])
            assert (depth, colour in (2, 6)) == (8, True)
            channels = 3 if colour == 2 else 4
        elif kind == b"IDAT":
            packed += content
        at += size + 12
    raw, stride = zlib.decompress(packed), width * channels
    before, found = bytearray(stride), []
    for row in range(height):
        start = row * (stride + 1)
        line = _unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + stride]), before, channels)
        found += [(line[i], line[i + 1], line[i + 2]) for i in range(0, stride, channels)]
        before = line
    return found


def _unfiltered(kind: int, line: bytearray, above: bytearray, channels: int) -> bytearray:
    for i in range(len(line)):
        left = line[i - channels] if i >= channels else 0
        up, corner = above[i], above[i - channels] if i >= channels else 0
        guess = (0, left, up, (left + up) // 2, _paeth(left, up, corner))[kind]
        line[i] = (line[i] + guess) & 255
    return line


def _paeth(left: int, up: int, corner: int) -> int:
    estimate = left + up - corner
    return min((left, up, corner), key=lambda each: abs(estimate - each))


def is_red(colour: Colour) -> bool:
    red, green, blue = colour
    return red > 120 and red > green + 50 and red > blue + 50
