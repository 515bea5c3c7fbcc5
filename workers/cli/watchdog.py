"""`workers watchdog`: the event listener that supervisord runs beside the workers."""

from __future__ import annotations


def watchdog() -> None:
    """Record events, kill workers that hang, and evict dead members from the group.

    It is an event listener of supervisord, which runs it. Its metrics are on WORKERS_WATCHDOG_PORT.

    Example: supervisorctl -c supervisord.conf status watchdog

    Exit codes: 0 supervisord ended, 64 it was not started by supervisord, 69 its port is taken, 78 a setting is wrong.
    """
    # Not at the top: see `workers.cli`.
    from workers.fleet.watchdog.listener import Watchdog
    from workers.fleet.watchdog.streams import take_streams
    from workers.monitoring import logs as log
    from workers.settings import load

    streams = take_streams()
    settings = load()
    log.configure(settings, "watchdog")
    Watchdog(settings, *streams).run()
