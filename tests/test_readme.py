"""The README's Python runs; commands of README and tour parse, and links lead somewhere."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.main import get_command

from napari_microenhance.cli import app

README = Path(__file__).resolve().parents[1] / "README.md"
TEXT = README.read_text("utf-8")
DOCS = README.parent / "docs"
TOUR = (DOCS / "tour.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT + TOUR, flags=re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
SHELL = [line for language, code in BLOCKS if language == "sh" for line in code.splitlines()]
COMMANDS = [line for line in SHELL if line.startswith("microenhance ")]
LINKS = [
    page.parent / link
    for page in (README, *sorted(DOCS.glob("*.md")))
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text("utf-8"))
]


@pytest.fixture(autouse=True)
def _files_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    """Work in a folder that holds the image and the ROI that the README speaks of."""
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("cells.tif", rng.integers(0, 60_000, (96, 128), dtype=np.uint16))
    Path("cells.json").write_text("{}", "utf-8")


def test_there_is_something_to_check() -> None:
    assert PYTHON
    assert len(COMMANDS) > 2


@pytest.mark.parametrize("code", PYTHON)
def test_python_runs(code: str) -> None:
    exec(compile(code, str(README), "exec"), {"__name__": "readme"})


@pytest.mark.parametrize("line", COMMANDS)
def test_command_parses(line: str) -> None:
    _program, name, *arguments = shlex.split(line, comments=True)
    group = get_command(app)
    command = group.commands[name]
    with command.make_context(name, arguments):
        pass


@pytest.mark.parametrize("link", LINKS, ids=lambda link: link.name)
def test_link_leads_somewhere(link: Path) -> None:
    assert link.exists()


def test_make_targets_exist() -> None:
    named = {line.split()[1] for line in SHELL if line.startswith("make ")}
    assert {"demo", "test"} <= named
    make = shutil.which("make")
    assert make, "make is needed to check the Makefile"
    for target in named:
        subprocess.run(
            [make, "--dry-run", "--directory", README.parent, target],
            check=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
