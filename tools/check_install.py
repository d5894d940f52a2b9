"""Install this package into new environments with napari, and see that nothing there moves.

    python tools/check_install.py

The newest napari, the oldest that is supported, and that one with everything else of its day.
The versions are listed before and after; ends with 1 where one is another, or one is gone.
"""

import dataclasses
import json
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = "napari-microenhance"
WANTED = ("", "[all]", "[plot,roi,zarr,bioimageio]")
OLDEST = "0.9.0"
ITS_DAY = "2026-09-01"
USE = "import napari_microenhance as m; m.load_model('detail-classic')"


@dataclasses.dataclass(frozen=True)
class Before:
    """What is there before.

    Parameters
    ----------
    title : str
    install : tuple of str
        What pip installs.
    """

    title: str
    install: tuple[str, ...]


ENVIRONMENTS = (
    Before("newest napari", ("napari[pyqt6]",)),
    Before(f"napari {OLDEST}", (f"napari[pyside6]=={OLDEST}",)),
    Before(
        f"napari {OLDEST} as of {ITS_DAY}",
        (f"napari[all]=={OLDEST}", "--uploaded-prior-to", ITS_DAY),
    ),
)


def pip(python: Path, *arguments: str | Path) -> str:
    """Run an environment's pip; return what it printed, or end with what it said."""
    command = [python, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"pip {' '.join(map(str, arguments))}:\n{done.stdout}{done.stderr}")
    return done.stdout


def versions(python: Path) -> dict[str, str]:
    """Return what is installed."""
    return {row["name"]: row["version"] for row in json.loads(pip(python, "list", "--format=json"))}


def moved(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return what is another version now, or gone."""
    return [
        f"{name} {old} -> {after.get(name, 'gone')}"
        for name, old in before.items()
        if after.get(name) != old
    ]


def try_in(folder: Path, before: Before, wheel: Path) -> list[str]:
    """Install into one new environment; return what moved."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    pip(python, "install", "--quiet", "--upgrade", "pip")
    pip(python, "install", "--quiet", *before.install)
    had = versions(python)
    wrong: list[str] = []
    for extra in WANTED:
        pip(python, "install", "--quiet", f"{NAME}{extra} @ {wheel.as_uri()}")
        has = versions(python)
        changes = moved(had, has)
        new = sorted(f"{name} {version}" for name, version in has.items() if name not in had)
        print(f"{before.title}, {NAME}{extra}: {len(had)} packages were there, "
              f"{len(new)} are new, {len(changes)} moved")  # fmt: skip
        print("  new: " + ", ".join(new))
        wrong += [f"{NAME}{extra} in {before.title}: {change}" for change in changes]
    conflicts = subprocess.run(
        [python, "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    if conflicts.returncode:
        wrong.append(f"{before.title}: {conflicts.stdout.strip()}")
    used = subprocess.run([python, "-c", USE], capture_output=True, text=True, check=False)
    if used.returncode:
        wrong.append(f"{before.title}: {used.stderr.strip().splitlines()[-1]}")
    return wrong


def main() -> int:
    """Build the wheel and try it everywhere."""
    home = ROOT / ".matrix"
    home.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix="install-") as folder:
        out = Path(folder) / "wheel"
        pip(Path(sys.executable), "wheel", "--quiet", "--no-deps", "--wheel-dir", out, ROOT)
        (wheel,) = out.glob("*.whl")
        wrong: list[str] = []
        for number, before in enumerate(ENVIRONMENTS):
            place = Path(folder) / str(number)
            wrong += try_in(place, before, wheel)
            # One at a time: each takes more than a gigabyte.
            shutil.rmtree(place)
    print("\n".join(wrong) or "Nothing that was there has moved.")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
