"""`workers watchdog`: what supervisord runs beside the workers."""

from __future__ import annotations


def watchdog() -> None:
    """Watch over the workers: keep what happens, kill what hangs, evict the dead. supervisord starts it.

    Example: supervisorctl -c deploy/supervisord.conf status watchdog
    """
    from workers import log
    from workers.settings import load
    from workers.watchdog import Watchdog, take_streams

    streams = take_streams()
    settings = load()
    log.configure(settings, "watchdog")
    Watchdog(settings, *streams).run()
