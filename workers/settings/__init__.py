"""The settings: read once, and validated as a whole."""

from workers.settings.load import PREFIX, SECRETS, Loaded, load, load_all, redact
from workers.settings.model import Settings
from workers.settings.rules import unused

__all__ = ["PREFIX", "SECRETS", "Loaded", "Settings", "load", "load_all", "redact", "unused"]
