"""Reads the settings, and knows where each value came from: a command's option, the environment, `.env`, a file, a default.

`.env` is the one of the tree that a command is about: of `--tree`, else of the current folder. A relative path in it is
relative to the folder that it is in.
"""

from __future__ import annotations

import difflib
import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError

from workers.errors import BadConfigurationError
from workers.settings.model import Settings
from workers.settings.paths import StatePaths

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "WORKERS_"
SECRETS = ("mongodb_uri", "sasl_password")
NOT_SETTINGS = {"WORKERS_PYTHON", "WORKERS_INTERNAL_METADATA_MAX_AGE"}
"""Read by the launcher in deploy/, before there is a Python; for tests, see `workers.kafka.options`."""
PATHS = ("state_dir", "events_file", "ssl_cafile")
"""Fields that hold a path."""


class Loaded(NamedTuple):
    """The settings of one command."""

    settings: Settings
    sources: dict[str, str]
    """By variable name, where its value came from: `default`, `environment`, `option` (of the command), or the path of the
    `.env`, relative to the current folder, or the path of the secret's file.
    """
    paths: StatePaths
    """Of the tree that the command is about."""


def load(tree: Path = Path(), **overrides: Any) -> Settings:
    """Only the settings of `load_all`."""
    return load_all(tree, **overrides).settings


def load_all(tree: Path = Path(), **overrides: Any) -> Loaded:
    """Read the settings; what a command's own options say goes over the environment, and that over `.env`.

    Args:
        tree: the checkout that the command is about.
        overrides: what its options say, by field; None: nothing.

    Raises:
        BadConfigurationError: with every problem that was found, not only the first.
    """
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
        shown[PREFIX + field.upper()] = text
    return shown


class _Given:
    """What is set, by field: its value, and where it is set. What is added later goes over what was added before."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.sources: dict[str, str] = {}
        self.problems: list[str] = []

    def add(self, source: str, variables: Mapping[str, str], folder: Path) -> None:
        """Args: folder: where relative paths of this source begin."""
        named = {name.upper(): value for name, value in variables.items()}
        for name, value in named.items():
            if not name.startswith(PREFIX) or name in NOT_SETTINGS:
                continue
            field = name.removeprefix(PREFIX).lower()
            if field in Settings.model_fields:
                self.values[field] = _value(field, value, folder)
                self.sources[field] = source
            elif field.removesuffix("_file") not in SECRETS or not field.endswith("_file"):
                self.problems.append(f"{name} is not a setting{_nearest(field)}")
        for field in SECRETS:
            name = PREFIX + field.upper()
            if f"{name}_FILE" not in named:
                continue
            if named.get(name):
                self.problems.append(f"{name} and {name}_FILE are both set in {source}; keep one of them")
            self._add_secret(field, f"{name}_FILE", folder / named[f"{name}_FILE"])

    def _add_secret(self, field: str, name: str, path: Path) -> None:
        try:
            self.values[field] = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(f"{name}={path} cannot be read: {getattr(error, 'strerror', None) or 'not text'}")
        self.sources[field] = str(path)


def _value(field: str, value: str, folder: Path) -> Any:
    # An empty one is none, where there may be none; `workers config` shows it like that.
    if value == "" and Settings.model_fields[field].default is None:
        return None
    return folder / value if field in PATHS else value


def _read_env_file(path: Path) -> dict[str, str]:
    """Its variables; none where there is no such file.

    Raises:
        BadConfigurationError: it is there and cannot be read. Nobody means a fleet without the settings written down for it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise BadConfigurationError(
            [
                f"{os.path.relpath(path)} cannot be read: {why}; make it a text file that this user may read, or remove it"
            ]
        ) from error
    return {name: value for name, value in dotenv_values(stream=io.StringIO(text)).items() if value is not None}


def _validated(given: _Given) -> Settings:
    values, problems = given.values, given.problems
    try:
        settings = Settings.model_validate(values)
    except BadConfigurationError as error:
        problems.extend(error.problems)
    except ValidationError as error:
        wrong = {str(item["loc"][0]): str(item["msg"]) for item in error.errors(include_url=False)}
        problems.extend(_describe(field, values.get(field), message) for field, message in wrong.items())
        try:
            Settings.model_validate({name: value for name, value in values.items() if name not in wrong})
        except BadConfigurationError as further:
            problems.extend(further.problems)
    if problems:
        raise BadConfigurationError(sorted(problems))
    return settings


def _nearest(field: str) -> str:
    near = difflib.get_close_matches(field, Settings.model_fields, n=1)
    return f"; did you mean {PREFIX}{near[0].upper()}?" if near else "; `workers config` lists them all"


def _describe(field: str, value: object, message: str) -> str:
    shown = "" if field in SECRETS else f"={value}"
    return f"{PREFIX}{field.upper()}{shown}: {re.sub('^Value error, ', '', message)}"
