"""`workers config`: shows every setting."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args, get_origin

from rich.text import Text

from workers.cli.config_routes import by_route, routes_as_json, routes_screen
from workers.cli.help import range_in_words
from workers.cli.options import Json, Tree
from workers.cli.policy_marks import losses, policy_choices, policy_mark
from workers.cli.terminal import console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.settings import Loaded

out = console()
err = console(stderr=True)

WIDE = 120
"""From so many columns on, and in a pipe, a setting with its meaning is one line."""
LONGEST_WAIT = 86_400
WIDEST_VALUE = 36
"""A longer one moves the rest of its line, so that the others stay where they are."""


def config(tree: Tree = Path(), as_json: Json = False) -> None:
    """Show every setting with its value, where the value comes from, and what else it could be.

    Secrets are not shown. With WORKERS_ROUTES also every route, as it was read. With --json: the values by name, under "from" the
    source of each, under "routes" the routes, and under "lossy" what lossy policies do not tell of a record, if there are some.

    Example: WORKERS_TOPIC=orders workers config

    Exit codes: 0 the settings can be used, 78 one is wrong: all that are wrong are named.
    """
    # Not at the top: see `workers.cli`.
    from workers.settings import PREFIX, load_all, redact, unused

    loaded = load_all(tree)
    values = redact(loaded.settings)
    for note in unused(loaded.settings):
        err.print(f"workers: {note}", markup=False)
    if loaded.settings.routes:
        for field in by_route():
            values.pop(PREFIX + field.upper())
    if as_json:
        of_routes = {"routes": routes_as_json(loaded.settings)} if loaded.settings.routes else {}
        sources = {name: loaded.sources[name] for name in values}
        lossy = {"lossy": lost} if (lost := losses(loaded.settings)) else {}
        out.print_json(json.dumps(values | of_routes | lossy | {"from": sources}))
        return
    for line in screen(loaded, values, out.width, fold=out.is_terminal):
        out.print(line)
    if loaded.settings.routes:
        for line in routes_screen(loaded.settings):
            out.print(line)


def screen(loaded: Loaded, values: dict[str, str], width: int, *, fold: bool = True) -> Iterator[Text]:
    """What was read; then each setting with its value, its source and its meaning. Bold: not the default.

    Args:
        width: columns. Only a value or a path may make a line longer, since it must be whole to be copied.
        fold: whether a long meaning is folded; else it is one line, for grep.
    """
    # Not at the top: see `workers.cli`.
    from workers.settings import PREFIX, Settings

    yield from _read(loaded)
    yield Text("")
    columns = _Columns(
        max(map(len, values)),
        max(len(value) for value in ("-", *values.values()) if len(value) <= WIDEST_VALUE),
        max(len(source) for source in ("default", *loaded.sources.values()) if len(source) <= WIDEST_VALUE),
    )
    for name, field in Settings.model_fields.items():
        variable = PREFIX + name.upper()
        if variable not in values:
            continue
        source = loaded.sources[variable]
        is_default = getattr(loaded.settings, name) == field.default
        value = Text(values[variable] or "-", style="" if is_default else "bold")
        mark = policy_mark(name, getattr(loaded.settings, name))
        said = Text(f"{field.description}{policy_choices(name) or _choices(field)}", style="dim")
        meaning = Text.assemble(mark, "; ", said) if mark else said
        if width >= WIDE:
            yield from _one_line(columns, variable, value, source, meaning, width if fold else None)
        else:
            yield from _two_lines(columns, variable, value, source, meaning, width)


class _Columns(NamedTuple):
    """How wide the columns are."""

    name: int
    value: int
    source: int


def _one_line(
    columns: _Columns, variable: str, value: Text, source: str, meaning: Text, width: int | None
) -> Iterator[Text]:
    indent = sum(columns) + 6
    folded = list(meaning.wrap(out, max(20, width - indent))) if width else [meaning]
    value.pad_right(max(0, columns.value - value.cell_len))
    begin = Text.assemble(f"{variable:<{columns.name}}  ", value, f"  {source:<{columns.source}}  ")
    for index, line in enumerate(folded):
        line.rstrip()
        yield (Text(" " * indent) if index else begin).append_text(line)


def _two_lines(columns: _Columns, variable: str, value: Text, source: str, meaning: Text, width: int) -> Iterator[Text]:
    begin = Text.assemble(f"{variable:<{columns.name}}  ", value)
    gap = width - begin.cell_len - len(source)
    if gap >= 2:
        yield begin.append(" " * gap).append(source)
    else:
        yield begin
        yield Text(f"{source:>{width}}")
    for line in meaning.wrap(out, width - 2):
        line.rstrip()
        yield Text("  ").append_text(line)


def _read(loaded: Loaded) -> Iterator[Text]:
    """The folder whose settings these are, and the places where some were found."""
    counts = Counter(source for source in loaded.sources.values() if source != "default")
    yield Text(f"folder  {loaded.paths.tree}" + ("" if loaded.paths.env_file.exists() else ", which has no .env"))
    found = [
        f"{count} from {'the environment' if source == 'environment' else source}"
        for source, count in sorted(counts.items())
    ]
    yield Text(f"set     {', '.join(found) or 'nothing: every setting has its default'}")


def _choices(field: Any) -> str:
    """What the values of a setting can be, where a word or a number is meant."""
    if get_origin(field.annotation) is Literal:
        return f"; one of {', '.join(get_args(field.annotation))}"
    if field.annotation is bool:
        return "; true or false"
    limits = {
        name: limit
        for each in field.metadata
        for name in ("ge", "gt", "le")
        if (limit := getattr(each, name, None)) is not None
    }
    if limits.get("le") == LONGEST_WAIT:
        # Any number of seconds that makes sense.
        return ""
    above = f"above {limits['gt']}, " if "gt" in limits else ""
    words = range_in_words(limits.get("ge"), limits.get("le"))
    return f"; {above}{words}" if words else ""
