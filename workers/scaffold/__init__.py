"""The folder of a fleet without a clone: what `workers init` writes, and how it brings it up to date."""

from enum import StrEnum


class Platform(StrEnum):
    """What runs the fleet, if it is not a person in a terminal."""

    SYSTEMD = "systemd"
    KUBERNETES = "kubernetes"
