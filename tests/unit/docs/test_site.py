"""What `make docs` refuses besides what the generator of the site finds: pictures that are missing, and other hosts."""

from __future__ import annotations

import pytest

from docs.generate.site import DOCS, REPOSITORY, configuration, problems


def site(folder, body: str, name: str = "index.html"):
    (folder / name).write_text(f"<html><head></head><body>{body}</body></html>")
    return problems(folder)


def test_the_site_has_every_runbook_and_every_decision_in_its_navigation():
    text = configuration((REPOSITORY / "zensical.toml").read_text(encoding="utf-8"))

    for folder in ("runbooks", "decisions"):
        for page in (DOCS / folder).glob("*.md"):
            assert f'"{folder}/{page.name}"' in text


def test_a_page_that_needs_nothing_is_right(tmp_path):
    (tmp_path / "here.png").write_bytes(b"")

    assert (
        site(tmp_path, '<img src="here.png"><a href="https://kafka.example/">Kafka</a><link rel="next" href="x.html">')
        == []
    )


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ('<img src="gone.png">', "does not exist"),
        ('<script src="https://cdn.example/x.js"></script>', "of another host"),
        ('<link rel="stylesheet" href="//fonts.example/x.css">', "of another host"),
        ('<pre class="mermaid">graph</pre>', "from another host"),
    ],
)
def test_what_is_missing_or_comes_from_another_host_is_found(tmp_path, body, word):
    (found,) = site(tmp_path, body)

    assert word in found


def test_a_font_of_another_host_in_a_picture_is_found(tmp_path):
    (tmp_path / "x.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg"><style>@font-face {src: url("https://cdn.example/f.woff2")}</style></svg>'
    )

    assert "of another host" in site(tmp_path, "")[0]
