"""FerretDB: how its program is built from main.go, and how it is started."""

from __future__ import annotations

import shutil
from pathlib import Path

from embedded_stack import by_index, toolchain
from embedded_stack.go_program import GoProgram
from embedded_stack.progress import Observer
from embedded_stack.settings import FOLDER, Settings

SOURCES = ("main.go", "go.mod", "go.sum", "embedded_stack/by_index.py")


def command(settings: Settings) -> list[str]:
    data = settings.data_dir / "ferretdb"
    return [str(program(settings)), "-port", str(settings.mongodb_port), "-data", str(data)]


def program(settings: Settings) -> Path:
    return settings.build_dir / "bin" / "ferretdb"


class FerretDBProgram(GoProgram):
    name = "FerretDB"
    megabytes = 1300

    def __init__(self, settings: Settings) -> None:
        super().__init__([program(settings)], [FOLDER / name for name in SOURCES], ["."], settings.build_dir / "go")
        self._settings = settings

    def build(self, observer: Observer) -> None:
        go = toolchain.go(self._settings, self.caches)
        packages = self.fetch(go, observer)
        self.compile(go, observer, packages, f"-modfile={self._changed_module(go)}")

    def _changed_module(self, go: toolchain.Go) -> Path:
        """A go.mod like ours that takes FerretDB from a changed copy of its source."""
        folder = self.caches / "changed"
        shutil.rmtree(folder, ignore_errors=True)
        *_, module = self.go(go, "list", "-m", "-f", "{{.Dir}}", by_index.MODULE)
        shutil.copytree(module, folder / "FerretDB")
        for path in folder.rglob("*"):
            path.chmod(path.stat().st_mode | 0o200)
        by_index.change(folder / "FerretDB")
        replace = f"\nreplace {by_index.MODULE} => {folder / 'FerretDB'}\n"
        (folder / "go.mod").write_text((FOLDER / "go.mod").read_text() + replace)
        shutil.copy(FOLDER / "go.sum", folder / "go.sum")
        return folder / "go.mod"
