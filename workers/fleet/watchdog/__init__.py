"""The watchdog, supervisord's event listener: it keeps what happens and ends what hangs."""
