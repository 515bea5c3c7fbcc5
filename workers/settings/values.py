"""The rules for the values of settings that several of them share."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

from workers.settings.files import shown

LEAST_SECONDS = 0.001
"""The clients count in milliseconds, and take 0 for "at once" or "never"."""
LONGEST_FIELD = 64
"""Bytes. Far more than anybody needs, and little enough that it is no part of the size of a document: see `InsertCommand`."""


def _is_long_enough(value: float) -> float:
    if value < LEAST_SECONDS:
        raise ValueError(f"must be at least {LEAST_SECONDS} seconds")
    return value


def _is_text(value: str) -> str:
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        raise ValueError("must not hold a control character, or bytes that are not UTF-8")
    return value


def _is_host(value: str) -> str:
    if problem := host_problem(value):
        raise ValueError(problem)
    # An IPv6 address in brackets, as URLs have it; sockets want it without.
    return value.removeprefix("[").removesuffix("]")


def topic_problem(name: str) -> str | None:
    """Why Kafka has no topic of this name; None: it may have one."""
    if name in (".", "..") or not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", name):
        return "Kafka refuses this name: use letters, digits, '.', '_' and '-', at most 249 characters"
    return None


def collection_problem(name: str) -> str | None:
    """Why MongoDB, or its driver, takes no collection of this name; None: it does.

    https://www.mongodb.com/docs/manual/reference/limits/#naming-restrictions
    """
    if not re.fullmatch(r"[^$\x00]{1,200}", name, re.DOTALL):
        return "MongoDB refuses it: a name has 1 to 200 characters, and neither '$' nor NUL"
    if name.startswith((".", "system.")) or name.endswith(".") or ".." in name:
        return "MongoDB refuses a name that begins with 'system.', begins or ends with '.', or holds '..'"
    return None


def field_problem(name: str) -> str | None:
    """Why no field is to have this name, at the top of a document; None: one may."""
    if name == "_id":
        return "_id is made of topic, partition and offset; choose another name"
    if not name or name[0] == "$" or "." in name or len(name.encode()) > LONGEST_FIELD:
        return f"must be a name of 1 to {LONGEST_FIELD} bytes that holds no dot and does not begin with $"
    return None


Seconds = Annotated[float, Field(gt=0, le=86_400), AfterValidator(_is_long_enough)]
Text = Annotated[str, AfterValidator(_is_text)]
Host = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_is_host)]


def host_problem(host: str) -> str | None:
    """Why this is no name or address of a host; None: it may be one. Nothing is looked up."""
    if ":" in host or host.startswith("["):
        address = host.removeprefix("[").removesuffix("]")
        try:
            ipaddress.IPv6Address(address)
        except ValueError:
            return f"{shown(host)!r} is not a host, and no IPv6 address"
        return None
    if re.search(r"[^\w.-]", host) or any(unicodedata.category(character) == "Cs" for character in host):
        return f"{shown(host)!r} is not a host: it holds a character that no name has"
    try:
        # As the client does before it asks DNS: an empty label, or one of more than 63 bytes.
        host.encode("idna")
    except UnicodeError:
        return f"{shown(host)!r} is not a host: between its dots are 1 to 63 characters"
    return None


def server_problem(server: str) -> str | None:
    """Why this is no host:port; None: it is."""
    # The client ignores a protocol before the host, as Java's does.
    host, _, port = re.sub("^[A-Z_]+://", "", server).rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 65_536:
        return f"{shown(server)!r} is not host:port"
    if ":" in host and not re.fullmatch(r"\[.*\]", host):
        return f"{shown(server)!r} is not host:port: write an IPv6 address as [address]:port"
    return host_problem(host)
