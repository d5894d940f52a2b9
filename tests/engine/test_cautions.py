"""Cautions: said once, recorded as strings, silenced by name."""

import json
from dataclasses import replace

import numpy as np

import toys
from napari_microenhance import Options, enhance
from napari_microenhance.engine.cautions import Caution, gather


def test_every_sentence_is_said_once_and_in_order():
    first, second = Caution("polarity", "It is inverted."), Caution("planes", "Plane 9 is none.")
    assert gather([first, "Plain.", second, "Plain.", first]) == (first, "Plain.", second)


def test_a_name_silences_its_kind_and_no_plain_sentence():
    cautions = [Caution("planes", "One."), Caution("planes", "Two."), "planes"]
    assert gather(cautions, silenced=("planes", "no such name")) == ("planes",)
    assert str(cautions[0]) == "One."


def test_a_run_says_records_and_silences_by_name(tmp_path, rng):
    image = rng.integers(0, 256, (60, 60), np.uint8)
    path = toys.plain(tmp_path / "plain.onnx", convs=4)
    narrow, seen = Options(halo=1, tile=32, value_range=(0, 1)), []
    said = enhance(image, path, options=narrow, on_progress=seen.append)
    sentence, clipped, *others = said.report.warnings
    assert sentence.startswith("halo=1 px is smaller than the model's receptive field of 4 px")
    assert [str(caution) for caution in seen[0].cautions] == [sentence]
    assert clipped.endswith("values were clipped to the range of uint8.")
    assert all(progress.cautions == () for progress in seen[1:])
    quiet = enhance(image, path, options=replace(narrow, no_caution=("seams",)))
    assert quiet.report.warnings == [clipped, *others]
    assert json.loads(json.dumps(quiet.report.to_dict()))["options"]["no_caution"] == ["seams"]
    np.testing.assert_array_equal(quiet.patch, said.patch)
