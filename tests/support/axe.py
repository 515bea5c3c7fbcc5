"""axe-core, the rules of accessibility that can be checked by a program, on a page in the browser of the tests.

It comes in a jar of its own makers, fetched and checked as Kafka's jars are: the Python packages that bring it are four
years old, or want Playwright or Selenium, with browsers of their own.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from embedded_stack.artifacts import _alone
from embedded_stack.downloads import Jars
from embedded_stack.jars import locked_jars
from embedded_stack.settings import Settings, make_folder
from tests.support.browser import Browser
from tests.support.java_mongo import Silent

LOCK = Path(__file__).with_name("axe_jar") / "jgo.lock.toml"
RUN = """
axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then((found) =>
  found.violations.flatMap((rule) => rule.nodes.map((node) =>
    `${rule.impact} ${rule.id}: ${node.target.join(" ")}: ${node.any.concat(node.all).map((each) => each.message).join("; ")}`)))
"""


def source() -> str:
    """Raises Failure where it cannot be fetched."""
    settings = Settings.read({})
    folder = settings.build_dir / "axe"
    make_folder(settings.build_dir)
    with _alone(settings):
        jars = Jars("axe", LOCK, folder)
        if not jars.is_built():
            jars.build(Silent())
    (jar,) = locked_jars(LOCK)
    with zipfile.ZipFile(folder / jar.file) as packed:
        return packed.read("axe.min.js").decode()


def violations(browser: Browser, axe: str) -> list[str]:
    """What is wrong with the page that is shown, a line each: `serious color-contrast: #verdict > h1: ...`."""
    if not browser.value("Boolean(window.axe)"):
        browser.value(f"{axe};0")
    return list(json.loads(browser.value(f"{RUN.strip()}.then(JSON.stringify)")))
