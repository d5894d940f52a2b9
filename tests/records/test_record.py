"""A record of any version is read into values, or refused in one sentence."""

import json

import numpy as np
import pytest

import toys
from napari_microenhance.api import Options, Record, RecordError, enhance, methods_text
from napari_microenhance.measure.trust_maps.trust import TrustMap
from napari_microenhance.records.overview import overview
from napari_microenhance.rois.region_of_interest import Roi

SECTIONS = ("model", "provider", "versions", "image", "roi", "options", "plan", "intensity")
EMPTY = {name: {} for name in SECTIONS}


@pytest.fixture
def report(tmp_path, rng):
    image = rng.integers(0, 4000, (3, 60, 70), dtype=np.uint16)
    model = toys.espcn(tmp_path / "sr.onnx")
    roi = [np.array([(20.0, 10.0), (20.0, 29.0), (39.0, 29.0), (39.0, 10.0)])]
    return enhance(image, model, roi=roi, axes="TYX", options=Options(planes=(1,))).report


def test_json_gives_the_values_of_the_run(report):
    record = Record.of(json.loads(json.dumps(report.to_dict())))
    patch = record.report.result
    assert (patch.axes, patch.shape, patch.start) == ("TYX", (1, 40, 40), (1, 20, 10))
    assert (record.scale, record.spatial, record.holds_labels) == (2.0, "YX", False)
    assert record.report.image.shape == (3, 60, 70)
    ((low, high),) = record.report.intensity.ends
    assert low < high
    assert record.report.roi.outlines == 1
    assert record.to_dict() == json.loads(json.dumps(report.to_dict()))


def test_pixels_lie_on_the_patch_or_on_all_of_the_image(report):
    record = Record.of(report)
    assert record.patch_under((1, 40, 40)) == record.report.result
    assert record.patch_under((3, 120, 140)) is None
    whole = {**report.to_dict(), "result": {}}
    assert Record.of(whole).patch_under((1, 40, 40)) is None


def test_what_a_record_does_not_say_has_a_default():
    record = Record.of(EMPTY)
    assert (record.holds_labels, record.scale, record.spatial) == (False, 1.0, "YX")
    assert record.options() == Options()
    assert record.window is None
    assert record.report.intensity.ends == ()
    with pytest.raises(RecordError, match='its "image" has no "axes"'):
        _ = record.axes


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"image": {"axes": 3}}, r"its image\.axes is 3"),
        ({"image": {"shape": "?"}}, r"its image\.shape is '\?'"),
        ({"seconds": 4}, "its seconds is 4"),
        ({"plan": {"tiles": [1]}}, r"its plan\.tiles is \[1\]"),
        ({"result": {"axes": "YX", "shape": [3, 3], "start": [0]}}, "its result is"),
        ({"result": {"axes": "Y", "shape": [3], "start": [0], "scale": 0}}, "its result is"),
        ({"trust": {"variability": "high"}}, "its trust"),
        ({"options": {"tile": "wide"}}, "tile='wide'"),
        ({"model": {"spec": {"value_range": list(range(100))}}}, r"value_range is .{60}\.\.\."),
    ],
)
def test_what_no_run_writes_is_named(damage, words):
    with pytest.raises(RecordError, match=words) as caught:
        Record.of(EMPTY | damage)
    assert "\n" not in str(caught.value)
    assert Record.found_in({"napari-microenhance": EMPTY | damage}) is None


def test_a_layer_without_a_record_has_none():
    assert Record.found_in({}) is None
    assert Record.found_in({"napari-microenhance": {}}) is None
    assert Record.found_in({"napari-microenhance": EMPTY}).report.clipped is None
    with pytest.raises(RecordError, match="not the report of a run"):
        Record.of({"napari-microenhance": [1, 2]})


def test_names_and_maps_are_added_and_the_rest_is_kept(report):
    record = Record.of({**report.to_dict(), "of tomorrow": 5})
    named = record.with_image_name("cells.tif")
    assert (named.image_name, record.image_name) == ("cells.tif", None)
    assert named.with_image_name(None) is named
    found = TrustMap(
        name="variability",
        values=np.zeros((2, 2), np.float32),
        axes="YX",
        start=(0, 0),
        scale=1.0,
        summary=0.25,
        unit="image units",
        reading="How to read it.",
    )
    noted = named.with_map(found)
    assert noted.report.trust["variability"].summary == 0.25
    assert noted.to_dict()["image"]["name"] == "cells.tif"
    assert noted.to_dict()["of tomorrow"] == 5
    assert record.report.trust in (None, {})


def test_planes_of_regions_are_told(tmp_path, rng):
    image = rng.integers(0, 4000, (4, 60, 70), dtype=np.uint16)
    model = toys.plain(tmp_path / "net.onnx")
    square = [(10, 10), (10, 30), (30, 30), (30, 10)]
    mask = np.zeros(image.shape, bool)
    mask[1, 5:9, 5:9] = mask[3, 7:20, 5:9] = True
    for roi, words in (
        (
            [Roi(square, {"T": 2}), Roi(square, {"T": (0, 3)})],
            "2 outlines, on planes of their own (T = 0, 2, 3)",
        ),
        ([Roi(square), Roi(square, {"T": 3})], "2 outlines, some on planes of their own (T = 3)"),
        (mask, "a mask, on planes of its own (T = 1, 3)"),
        ([np.array(square)], "1 outline"),
    ):
        record = Record.of(enhance(image, model, roi, "TYX").report)
        assert record.report.roi.kind == words
        assert dict(overview(record))["ROI"].endswith(f"px, {words}")
        assert f"({words}) was processed" in methods_text(record)
