"""Files and folders that settings name: whether they can be read, and hold what they should."""

from __future__ import annotations

import os
import ssl
import stat
from pathlib import Path

MOST_BYTES = 4 * 1024 * 1024
"""Of a file that a setting names; such files hold a few lines. /dev/zero has no end."""
LONGEST_SHOWN = 300


class UnreadableError(Exception):
    """The file cannot be read; the text names it, and says why."""


def shown(value: object) -> str:
    """A value that a user gave, short and on one line, whatever is in it."""
    text = str(value)
    text = text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "..."
    return text if text.isprintable() else ascii(text)


def read_file(path: Path) -> bytes:
    """The content of a file that a setting names.

    Raises:
        UnreadableError: it does not exist, may not be read, is no file, or is too large for one.
    """
    try:
        # A pipe is read where the shell made it, as for <(...); another one would be waited for, without an end.
        if stat.S_ISFIFO(path.stat().st_mode) and not str(path).startswith(("/dev/", "/proc/")):
            raise UnreadableError(f"{shown(path)} cannot be read: it is a pipe, not a file")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UnreadableError(f"{shown(path)} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UnreadableError(f"{shown(path)} cannot be read: no path holds such a character") from error
    if len(content) > MOST_BYTES:
        raise UnreadableError(f"{shown(path)} cannot be read: it is larger than {MOST_BYTES >> 20} MiB")
    return content


def read_text(path: Path) -> str:
    """The same, as text.

    Raises:
        UnreadableError: as `read_file`; or it is not UTF-8.
    """
    try:
        return read_file(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{shown(path)} cannot be read: it is not UTF-8 text") from error


def certificates_problem(path: Path) -> str | None:
    """Why this is no PEM file of certificates; None: it is one."""
    try:
        content = read_file(path)
    except UnreadableError as error:
        return str(error)
    try:
        # What is no ASCII in a PEM file is a comment.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError):
        return f"{shown(path)} holds no certificate: it must be a PEM file, with -----BEGIN CERTIFICATE-----"
    return None


def path_problem(path: Path) -> str | None:
    """Why no file and no folder can have this path; None: one can. What is there now may change, and is not judged here."""
    try:
        os.fsencode(path)
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except (OSError, ValueError) as error:
        return f"cannot be used: {getattr(error, 'strerror', None) or 'no path holds such a character'}"
    return None
