"""Whether anybody takes connections where a service should be. A connection that is refused says so at once, where the
service's own client tries again until its time is over.
"""

from __future__ import annotations

import queue
import socket
import time
from functools import partial
from typing import TYPE_CHECKING

from workers.process import start_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

LISTEN_SECONDS = 1.2
"""For a connection, name server included: the first packet may be lost, and is sent again after a second. What takes a
connection is waited for by its client, for as long as that is used to."""


def nobody_listens(addresses: Sequence[tuple[str, int]], seconds: float = LISTEN_SECONDS) -> str | None:
    """Why none of these takes a connection: the reason of one of them. None: one does.

    All are tried side by side, and the first that takes a connection is enough. Nothing is sent there.

    Raises:
        NoThreadError: they cannot be tried.
    """
    deadline = time.monotonic() + seconds
    answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    for host, port in addresses:
        # Each on a thread, since a name server that does not answer cannot be left alone otherwise.
        start_thread(partial(_connect, host, port, seconds, answers), "listening")
    why = f"no answer within {seconds:g} s"
    for _ in addresses:
        try:
            answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        if answer is None:
            return None
        why = answer
    return why


def _connect(host: str, port: int, seconds: float, answers: queue.SimpleQueue[str | None]) -> None:
    try:
        socket.create_connection((host, port), seconds).close()
    except socket.gaierror as error:
        answers.put(f"the name {host} is not known: {error.strerror}")
    except TimeoutError:
        answers.put(f"no answer within {seconds:g} s")
    except (OSError, UnicodeError) as error:
        answers.put(getattr(error, "strerror", None) or str(error))
    else:
        answers.put(None)
