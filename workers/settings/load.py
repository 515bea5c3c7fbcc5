"""Reads the settings, and the source of each: an option of the command, the environment, `.env`, a file, or the default.

`.env` is read from the tree of the command: `--tree`, else what `find_tree` makes of the current folder. Relative paths in
it are relative to that folder.
"""

from __future__ import annotations

import difflib
import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import SecretStr, ValidationError

from workers.errors import BadConfigurationError, NotFoundError
from workers.settings.files import UnreadableError, certificates_problem, read_text, shown
from workers.settings.model import Settings
from workers.settings.paths import StatePaths, find_tree
from workers.settings.route_options import RouteOptions
from workers.settings.routes_file import read_routes

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "WORKERS_"
SECRETS = ("mongodb_uri", "sasl_password")
NOT_SETTINGS = {"WORKERS_PYTHON", "WORKERS_INTERNAL_METADATA_MAX_AGE"}
"""The first is read by the launcher in deploy/, which looks for Python; the second is for tests: `workers.kafka.options`."""
KUBERNETES = re.compile(
    "WORKERS_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
"""Variables that Kubernetes sets in each container for a Service that is called `workers`, or `workers-...`:
https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables"""
PATHS = ("state_dir", "events_file", "ssl_cafile", "routes")
"""Fields that hold a path."""


class Loaded(NamedTuple):
    """The settings of one command."""

    settings: Settings
    sources: dict[str, str]
    """By variable name, the source of its value: `default`, `environment`, `option` (of the command), or the path of the
    `.env`, relative to the current folder, or the path of the secret's file.
    """
    paths: StatePaths
    """Of the tree of the command."""


def load(tree: Path = Path(), **overrides: Any) -> Settings:
    """The settings alone, without the rest of `load_all`."""
    return load_all(tree, **overrides).settings


def load_all(tree: Path = Path(), **overrides: Any) -> Loaded:
    """Read the settings. Options of the command take precedence over the environment, and that over `.env`.

    Args:
        tree: the checkout that the command works on; `Path()`: see `find_tree`.
        overrides: the values of its options, by field; None: not given.

    Raises:
        BadConfigurationError: with all problems, not only the first.
        NotFoundError: there is no such tree.
    """
    tree = find_tree() if tree == Path() else tree
    try:
        tree.stat()
    except (FileNotFoundError, ValueError) as error:
        raise NotFoundError(f"--tree {shown(tree)}: there is no such folder") from error
    except OSError:
        pass  # the `.env` in it cannot be read either, which is told below
    env_file = StatePaths(tree).env_file
    given = _Given()
    given.add(os.path.relpath(env_file), _read_env_file(env_file), folder=tree)
    given.add("environment", os.environ, folder=Path())
    for field, value in overrides.items():
        if value is not None:
            given.values[field], given.sources[field] = value, "option"
    settings = _validated(given)
    sources = {PREFIX + field.upper(): given.sources.get(field, "default") for field in Settings.model_fields}
    return Loaded(settings, sources, StatePaths(tree, settings.state_dir, settings.events_file))


def redact(settings: Settings) -> dict[str, str]:
    """The effective settings as text, by variable name, with secrets reduced to what is safe to show."""
    shown = {}
    for field, value in settings:
        if field == "mongodb_uri":
            address, _, options = value.get_secret_value().partition("?")
            text = re.sub("//.*@", "//***@", address) + ("?***" if options else "")
        else:
            text = "" if value is None else "***" if isinstance(value, SecretStr) else str(value)
            if isinstance(value, tuple):
                text = ",".join(value)
        shown[PREFIX + field.upper()] = text
    return shown


class _Given:
    """The values that are set and their sources, by field. A later `add` takes precedence."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.sources: dict[str, str] = {}
        self.problems: list[str] = []

    def add(self, source: str, variables: Mapping[str, str], folder: Path) -> None:
        """Args: folder: to which paths in this source are relative."""
        named = {name.upper(): value for name, value in variables.items()}
        for name, value in named.items():
            if not name.startswith(PREFIX) or name in NOT_SETTINGS:
                continue
            if _is_of_kubernetes(name, value):
                continue
            field = name.removeprefix(PREFIX).lower()
            if field in Settings.model_fields:
                self.values[field] = _value(field, value, folder)
                self.sources[field] = source
            elif field.removesuffix("_file") not in SECRETS or not field.endswith("_file"):
                self.problems.append(f"{shown(name)} is not a setting{_suggestion(field)}")
        for field in SECRETS:
            name = PREFIX + field.upper()
            if f"{name}_FILE" not in named:
                continue
            if named.get(name):
                self.problems.append(f"{name} and {name}_FILE are both set in {source}; keep one of them")
            self._add_secret(field, f"{name}_FILE", folder / named[f"{name}_FILE"])

    def _add_secret(self, field: str, name: str, path: Path) -> None:
        try:
            self.values[field] = read_text(path).strip()
        except UnreadableError as error:
            self.problems.append(f"{name}={error}")
        else:
            if not self.values[field]:
                self.problems.append(f"{name}={shown(path)}: the file is empty")
        self.sources[field] = str(path)


def _value(field: str, value: str, folder: Path) -> Any:
    # An empty value means None where None is the default; `workers config` shows it so.
    if value == "" and Settings.model_fields[field].default is None:
        return None
    return folder / value if field in PATHS else value


def _read_env_file(path: Path) -> dict[str, str]:
    """The variables in a `.env`; empty if there is no such file.

    Raises:
        BadConfigurationError: the file exists and cannot be read: the fleet must not run without its settings.
    """
    name = os.path.relpath(path)
    try:
        text = read_text(path)
    except UnreadableError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return {}
        why = str(error).partition(" cannot be read: ")[2]
        raise BadConfigurationError(
            [f"{name} cannot be read: {why}; make it a text file that this user may read, or remove it"]
        ) from error
    # The library would only log such a line, and the fleet would run with a default.
    broken = [each.original for each in parse_stream(io.StringIO(text)) if each.error]
    if broken:
        lines = ", ".join(str(each.line) for each in broken[:5])
        raise BadConfigurationError([f"{name} cannot be used: line {lines} is not NAME=value; mend or remove it"])
    return {name: value for name, value in dotenv_values(stream=io.StringIO(text)).items() if value is not None}


def _validated(given: _Given) -> Settings:
    values, problems = given.values, given.problems
    # Not a rule of the model: only who reads the settings needs the file.
    if (file := values.get("ssl_cafile")) and (problem := certificates_problem(Path(file))):
        problems.append(f"{PREFIX}SSL_CAFILE={problem}")
        del values["ssl_cafile"]
    try:
        settings = Settings.model_validate(values)
    except BadConfigurationError as error:
        problems.extend(error.problems)
    except ValidationError as error:
        invalid = {str(item["loc"][0]): str(item["msg"]) for item in error.errors(include_url=False)}
        problems.extend(_describe(field, values.get(field), message) for field, message in invalid.items())
        try:
            Settings.model_validate({name: value for name, value in values.items() if name not in invalid})
        except BadConfigurationError as conflicts:
            problems.extend(conflicts.problems)
    if routes := values.get("routes"):
        problems += [
            f"{PREFIX}{field.upper()} is set beside {PREFIX}ROUTES, where each route has its own; keep one of them"
            for field in ("topic", "collection", *RouteOptions.model_fields)
            if field in given.sources
        ]
        try:
            table = read_routes(Path(routes))
        except BadConfigurationError as error:
            problems.extend(error.problems)
    if problems:
        raise BadConfigurationError(sorted(problems))
    return settings.with_routes(table) if routes else settings


def _is_of_kubernetes(name: str, value: str) -> bool:
    # A port of theirs is a URL, and one of ours a number: `workers-lag` gives WORKERS_LAG_PORT=tcp://10.0.0.7:9790.
    if not KUBERNETES.fullmatch(name):
        return False
    return not name.endswith("_PORT") or "_SERVICE_PORT" in name or "://" in value or name.count("_") > 3


def _suggestion(field: str) -> str:
    similar = difflib.get_close_matches(field, Settings.model_fields, n=1)
    return f"; did you mean {PREFIX}{similar[0].upper()}?" if similar else "; `workers config` lists them all"


def _describe(field: str, value: object, message: str) -> str:
    given = "" if field in SECRETS else f"={shown(value)}"
    return f"{PREFIX}{field.upper()}{given}: {re.sub('^Value error, ', '', message)}"
