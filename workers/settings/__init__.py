"""Every setting, read once and checked as a whole."""

from workers.settings.model import PREFIX, SECRETS, Settings, load, redact

__all__ = ["PREFIX", "SECRETS", "Settings", "load", "redact"]
