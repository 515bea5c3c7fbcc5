"""Makes the modules of bench/ importable: they are scripts beside each other, not a package."""

from __future__ import annotations

import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "bench"

sys.path.append(str(BENCH))
