"""Build the site of docs/ into var/site. Warnings are errors, and nothing in it may come from another host.

`make docs` runs it, and CI does. The generator finds dead links and missing anchors between pages; what it does not look
for is checked here: pictures that are missing, and scripts, styles, fonts and pictures of other hosts.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
SITE = REPOSITORY / "var/site"
CONFIGURATION = REPOSITORY / ".zensical.toml"
"""Made for the build. The generator wants it in the folder above docs/."""
INDEX = re.compile(r'\["(\w+)/README\.md"\]')
"""In the navigation, a folder of which only the index is named."""
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
LOADED = {
    "img": ("src",),
    "script": ("src",),
    "link": ("href",),
    "iframe": ("src",),
    "source": ("src",),
    "object": ("data",),
}
"""By element, the attributes that make a browser fetch something."""
FETCHED_ON_DEMAND = {"mermaid", "glightbox", "pyodide"}
"""Classes for which the theme's script would fetch a library from another host."""
LINKS_OF_THE_PAGE = ("canonical", "prev", "next", "alternate")


class Page(HTMLParser):
    """What a browser would fetch for one page, and what it should not."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.classes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.classes |= set((given.get("class") or "").split())
        if given.get("rel") not in LINKS_OF_THE_PAGE:
            self.fetched += [value for name in LOADED.get(tag, ()) if (value := given.get(name))]


def problems(site: Path) -> list[str]:
    """What is wrong with a site that was built, in one line each."""
    found = []
    for path in sorted(site.rglob("*.html")):
        page = Page()
        page.feed(path.read_text(encoding="utf-8"))
        where = path.relative_to(site)
        found += [
            f"{where}: a browser would load a library for {name!r} from another host"
            for name in sorted(page.classes & FETCHED_ON_DEMAND)
        ]
        for address in page.fetched:
            if re.match(r"(\w+:)?//", address):
                found.append(f"{where}: {address} is of another host")
            elif (
                not address.startswith("data:")
                and where.name != "404.html"
                and not (path.parent / address.partition("?")[0]).exists()
            ):
                found.append(f"{where}: {address} does not exist")
    for path in sorted(site.rglob("*.svg")) + sorted(site.rglob("*.css")):
        # The names of XML's languages look like addresses; what is fetched stands in url(), @import or href.
        for address in re.findall(
            r"(?:url\(|@import |href=)[\"']?((?:\w+:)?//[^\"') ]+)", path.read_text(encoding="utf-8")
        ):
            found.append(f"{path.relative_to(site)}: {address} is of another host")
    return found


def configuration(text: str) -> str:
    """zensical.toml with every page of a folder behind its index."""

    def whole(found: re.Match[str]) -> str:
        folder = found[1]
        others = sorted(path.name for path in (DOCS / folder).glob("*.md") if path.name != "README.md")
        return "[" + ", ".join(f'"{folder}/{name}"' for name in ["README.md", *others]) + "]"

    return INDEX.sub(whole, text)


def build() -> int:
    """Returns: the exit code."""
    shutil.rmtree(SITE, ignore_errors=True)
    whole = configuration((REPOSITORY / "zensical.toml").read_text(encoding="utf-8"))
    CONFIGURATION.write_text(whole, encoding="utf-8")
    command = [str(Path(sys.executable).parent / "zensical"), "build", "--strict", "--clean", "-f", CONFIGURATION.name]
    try:
        ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    finally:
        CONFIGURATION.unlink()
    said = ESCAPES.sub("", ran.stdout + ran.stderr).partition("Traceback")[0].strip()
    if ran.returncode:
        sys.stderr.write(f"{said}\ndocs: the site was not built; correct what is named above\n")
        return 1
    if found := problems(SITE):
        sys.stderr.write("\n".join(found) + "\ndocs: the site is not right; correct what is named above\n")
        return 1
    sys.stdout.write(
        f"docs: {len(list(SITE.rglob('*.html')))} pages in var/site. Open var/site/index.html; "
        "with `python3 -m http.server --directory var/site` it can be searched as well\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(build())
