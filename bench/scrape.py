"""What scrapes cost a worker: 50 a second and a reader that never reads, beside none, in the same run.

Needs the servers of the settings (for example `make demo`), as bench/drain.py does.

    python bench/scrape.py [rounds] [records]
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import sys
import threading
import urllib.request
import uuid
from collections.abc import Iterator

from drain import clean_up, drain

from workers.settings import Settings, load

SCRAPES_A_SECOND = 50
DEAF_READERS = 20


def main() -> None:
    rounds, records = (int(value) for value in (sys.argv[1:] + ["3", "200000"][len(sys.argv) - 1 :]))
    ratios = []
    for number in range(1, rounds + 1):
        quiet, _, _ = measured(records, scraped=False)
        busy, scrapes, size = measured(records, scraped=True)
        ratios.append(busy / quiet)
        print(
            f"round {number}: alone {quiet:,.0f}/s, with {scrapes} scrapes of {size:,} bytes and {DEAF_READERS} readers "
            f"that do not read {busy:,.0f}/s ({busy / quiet:.0%})",
            flush=True,
        )
    print(f"median: a worker that is scraped {SCRAPES_A_SECOND} times a second keeps {statistics.median(ratios):.0%}")


def measured(records: int, *, scraped: bool) -> tuple[float, int, int]:
    """Records a second, scrapes that were answered, and the size of the last."""
    settings = load(
        topic=f"bench-{uuid.uuid4().hex[:8]}", group=f"bench-{uuid.uuid4().hex[:8]}", database="bench", slot=99
    )
    answered: list[int] = []
    try:
        with scraping(settings, answered) if scraped else contextlib.nullcontext():
            rate, _ = drain(settings, records)
    finally:
        clean_up(settings)
    return rate, len(answered), answered[-1] if answered else 0


@contextlib.contextmanager
def scraping(settings: Settings, answered: list[int]) -> Iterator[None]:
    over = threading.Event()
    address = (settings.metrics_host, settings.metrics_port + settings.slot)
    deaf: list[socket.socket] = []

    def scrape() -> None:
        while not over.wait(1 / SCRAPES_A_SECOND):
            with contextlib.suppress(OSError):
                if len(deaf) < DEAF_READERS:
                    reader = socket.create_connection(address, 1)
                    reader.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                    deaf.append(reader)
                with urllib.request.urlopen(f"http://{address[0]}:{address[1]}/metrics", timeout=5) as answer:
                    answered.append(len(answer.read()))

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for reader in deaf:
            reader.close()


if __name__ == "__main__":
    main()
