"""Threads of a network: never more than the machine has, and that is said."""

import numpy as np
import pytest

import toys
from napari_microenhance import Options, enhance, load_model
from napari_microenhance.engine.runtime.threads import cpu_count, thread_cautions, thread_count


@pytest.mark.parametrize(
    ("asked", "given"),
    [("auto", cpu_count()), (1, 1), (cpu_count(), cpu_count()), (10**6, cpu_count())],
)
def test_as_many_as_there_are_at_most(asked, given):
    assert thread_count(asked) == given
    assert bool(thread_cautions(asked)) == (asked == 10**6)


def test_more_than_the_machine_has_is_said_and_runs(tmp_path):
    model = load_model(toys.plain(tmp_path / "net.onnx", convs=1))
    image = np.zeros((40, 40), np.uint8)
    result = enhance(image, model, options=Options(threads=100_000, value_range=(0, 1)))
    assert result.report.warnings[0] == (
        f"threads=100000 exceeds the CPUs available to this process; {cpu_count()} are used."
    )
    assert result.report.options["threads"] == 100_000
    assert not any("threads" in text for text in enhance(image, model).report.warnings)
