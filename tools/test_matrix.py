"""Try the whole path in a real window with each Qt, napari and Python that is there.

    python tools/test_matrix.py [--python 3.11 ...] [--napari "0.9.*" pre ...] [--qt pyqt6 ...]

Each combination has an environment of its own in `.matrix/`, which is used again until
pyproject.toml changes. The path (`tools/first_hour.py --chapter path`) runs with every warning
that our own calls cause as an error. Ends with a table, and with 1 where something failed.
"""

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".matrix"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
NAPARIS = ("0.9.0", "0.9.*", "pre")
BINDINGS = ("pyqt6", "pyside6")
SHOWN = ("napari", "PyQt6", "PySide6", "magicgui", "superqt", "npe2", "numpy")
MINUTES = 15
# 6.12.0 drops a reference to None at every call, of which Python 3.11 has some thousands only:
# every program with it aborts ("none_dealloc"), with or without napari.
SOUND = {("3.11", "pyside6"): "PySide6!=6.12.0"}
ASK = f"""
import importlib.metadata, json
def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
print(json.dumps({{n: v for n in {SHOWN!r} if (v := version(n))}}))
"""


@dataclasses.dataclass(frozen=True)
class Environment:
    """A virtual environment of one combination.

    Parameters
    ----------
    python : str
        Such as "3.11".
    napari : str
        A version such as "0.9.*", or "pre" for the newest pre-release of all packages.
    binding : str
        "pyqt6" or "pyside6".
    """

    python: str
    napari: str
    binding: str

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return FOLDER / f"py{self.python}-napari{self.napari.replace('*', 'x')}-{self.binding}"

    @property
    def program(self) -> Path:
        """Its Python."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def prepare(self) -> str:
        """Install what is missing; return why that failed, or nothing."""
        stamp = self.folder / ".stamp"
        project = ROOT / "pyproject.toml"
        if stamp.exists() and stamp.stat().st_mtime > project.stat().st_mtime:
            return ""
        stamp.unlink(missing_ok=True)
        interpreter = f"python{self.python}"
        what = f"napari[{self.binding}]"
        if self.napari == "pre":
            wanted = ["--pre", "--upgrade", what]
        else:
            wanted = [f"{what}=={self.napari}"]
        if sound := SOUND.get((self.python, self.binding)):
            wanted.append(sound)
        pip = [self.program, "-m", "pip", "--disable-pip-version-check", "--no-input"]
        for command in (
            [interpreter, "-m", "venv", self.folder],
            [*pip, "install", "--quiet", "--upgrade", "pip"],
            [*pip, "install", "--quiet", *wanted, "--editable", f"{ROOT}[plot,zarr]"],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                return f"install: {last_line(done.stderr)}"
        stamp.touch()
        return ""

    def versions(self) -> dict[str, str]:
        """Return the versions of what matters."""
        found = subprocess.run(
            [self.program, "-c", ASK], capture_output=True, text=True, check=True
        )
        return dict(json.loads(found.stdout))

    def play(self) -> str:
        """Run the whole path; return what came of it."""
        told = self.folder / "told.json"
        told.unlink(missing_ok=True)
        command = [self.program, ROOT / "tools/first_hour.py", "--chapter", "path", "--strict"]
        # What is installed decides which binding is found, as on a user's machine.
        hidden = {"QT_API", "PYTEST_QT_API", "PYTHONPATH"}
        surroundings = {k: v for k, v in os.environ.items() if k not in hidden}
        try:
            done = subprocess.run(
                [*command, "--json", told],
                env=surroundings,
                cwd=self.folder,
                capture_output=True,
                text=True,
                timeout=60 * MINUTES,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"not through after {MINUTES} min"
        (self.folder / "log.txt").write_text(done.stdout + done.stderr, "utf-8")
        if not told.exists():
            return f"ended with {done.returncode}: {last_line(done.stderr)}"
        found = json.loads(told.read_text("utf-8"))
        if found["trouble"]:
            return str(found["trouble"])
        if done.returncode:
            return f"ended with {done.returncode} after the last step: {last_line(done.stderr)}"
        return f"passed, {len(found['done'])} steps in {found['seconds']} s"


def last_line(text: str) -> str:
    """Return the last line that says something, an error or a crash before others."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    wrong = [line for line in lines if line.startswith(("ERROR", "Fatal"))]
    return (wrong or lines or ["nothing was said"])[-1]


def is_there(python: str) -> bool:
    """Tell whether a Python runs; a shim of pyenv may stand for one that is not installed."""
    program = shutil.which(f"python{python}")
    if program is None:
        return False
    return not subprocess.run([program, "-c", ""], capture_output=True, check=False).returncode


def main() -> int:
    """Try all combinations, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", nargs="*", default=PYTHONS)
    parser.add_argument("--napari", nargs="*", default=NAPARIS)
    parser.add_argument("--qt", nargs="*", default=BINDINGS, choices=BINDINGS)
    arguments = parser.parse_args()
    rows: list[tuple[str, ...]] = []
    failed = False
    for python in arguments.python:
        if not is_there(python):
            rows.append((python, "", "", "skipped: this Python is not installed here"))
            continue
        for napari in arguments.napari:
            for binding in arguments.qt:
                environment = Environment(python, napari, binding)
                print(f"{environment.folder.name} ...", file=sys.stderr, flush=True)
                outcome = environment.prepare()
                versions = {} if outcome else environment.versions()
                outcome = outcome or environment.play()
                failed |= not outcome.startswith("passed")
                qt = next((f"{n} {versions[n]}" for n in ("PyQt6", "PySide6") if n in versions), "")
                rows.append((python, versions.get("napari", napari), qt or binding, outcome))
    print_table(("Python", "napari", "Qt", "whole path"), rows)
    print(f"Logs: {FOLDER.name}/*/log.txt")
    return int(failed)


def print_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print rows in columns."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, tuple("-" * width for width in widths), *rows):
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


if __name__ == "__main__":
    sys.exit(main())
