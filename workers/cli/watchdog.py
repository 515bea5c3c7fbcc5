"""`workers watchdog`: the event listener that supervisord runs beside the workers."""

from __future__ import annotations


def watchdog() -> None:
    """Record events, kill workers that hang, and evict dead members from the group. supervisord runs it.

    Example: supervisorctl -c deploy/supervisord.conf status watchdog
    """
    from workers.fleet.watchdog.listener import Watchdog
    from workers.fleet.watchdog.streams import take_streams
    from workers.monitoring import logs as log
    from workers.settings import load

    streams = take_streams()
    settings = load()
    log.configure(settings, "watchdog")
    Watchdog(settings, *streams).run()
