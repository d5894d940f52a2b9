"""Work in processes of our own: order, deaths, stops."""

import os
import subprocess
import sys

import pytest

from errands import make
from napari_microenhance.errors import Cancelled
from napari_microenhance.jobs.processes import WorkerError, spread


def test_every_item_is_done_and_told_of():
    answers = list(spread(make, "told", list("abcd"), workers=2))
    last = {a.number: a.value for a in answers if a.is_last}
    assert {n: value[1] for n, value in last.items()} == dict(enumerate("abcd"))
    pids = {value[0] for value in last.values()}
    assert os.getpid() not in pids
    assert len(pids) <= 2
    assert {a.value for a in answers if not a.is_last} == {f"told: {x}" for x in "abcd"}


def test_a_process_that_ends_costs_its_item_alone():
    answers = spread(make, "", ["a", "die", "b", "leave", "c"], workers=1)
    last = {a.number: a.value for a in answers if a.is_last}
    assert [last[n][1] for n in (0, 2, 4)] == ["a", "b", "c"]
    assert isinstance(last[1], WorkerError)
    assert "SIGKILL" in str(last[1])
    assert "status 3" in str(last[3])


def test_a_stop_reaches_the_workers():
    told = []
    answers = spread(make, "", ["wait"] * 3, workers=2, should_stop=lambda: len(told) == 2)
    told += [next(answers), next(answers)]
    with pytest.raises(Cancelled):
        next(answers)


def test_the_callers_script_is_not_run_again(tmp_path):
    script = tmp_path / "script.py"
    # No guard by `__name__`, as people write scripts.
    script.write_text(
        "print('once')\n"
        "from errands import make\n"
        "from napari_microenhance.jobs.processes import spread\n"
        "print(sorted(a.value[1] for a in spread(make, '', ['a', 'b'], workers=2) if a.is_last))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "once\n['a', 'b']\n"
