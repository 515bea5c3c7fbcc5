"""The servers that WORKERS_MONGODB_URI names, read without the driver, which takes longer to import than all settings to be read."""

from __future__ import annotations

import re

SCHEME = "mongodb://"
DEFAULT_PORT = 27_017
PLAIN_HOST = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
PLAIN = re.compile(rf"{SCHEME}{PLAIN_HOST}(:[0-9]{{1,5}})?(,{PLAIN_HOST}(:[0-9]{{1,5}})?)*/?")


def is_plain(uri: str) -> bool:
    """Whether a URI is names and ports alone, no login and no option. The driver takes each of these: nothing is left to ask it."""
    return PLAIN.fullmatch(uri) is not None and all(0 < port < 65_536 for _, port in hosts(uri))


def hosts(uri: str) -> list[tuple[str, int]]:
    """Host and port of each server. Empty: DNS has them (mongodb+srv://), or one is a unix socket.

    Args: uri: one that can be used, or that begins as one.
    """
    if not uri.startswith(SCHEME):
        return []
    servers = re.split("[/?]", uri.removeprefix(SCHEME))[0].rpartition("@")[2].split(",")
    found = []
    for server in servers:
        host, _, port = server.rpartition(":") if re.search(r":[0-9]+$", server) else (server, "", "")
        if "%" in host:
            return []
        found.append((host.removeprefix("[").removesuffix("]"), int(port or DEFAULT_PORT)))
    return found
