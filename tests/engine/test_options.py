"""Options, presets and intensity maps as values."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_microenhance import Options, load_preset
from napari_microenhance.engine.intensity import percentiles, to_dtype
from napari_microenhance.errors import FileMissingError, OptionsError
from napari_microenhance.presets import list_presets


def test_options_survive_json():
    options = Options(tile=256, intensity=(0, 254), planes=(3, 1, 1), no_caution=["domain"])
    assert options.planes == (1, 3)
    assert Options.from_dict(json.loads(json.dumps(options.to_dict()))) == options


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tile": 0}, "tile=0 must be a whole number of at least 1"),
        ({"tile": 2.5}, "tile=2.5"),
        ({"dilate": -1}, "dilate=-1"),
        ({"feather": True}, "feather=True"),
        ({"blend": "soft"}, "blend='soft' is not one of auto, crop"),
        ({"intensity": (5, 5)}, "LOW below HIGH"),
        ({"intensity": (0, float("inf"))}, "finite"),
        ({"intensity": "best"}, "intensity='best'"),
        ({"value_range": "wide"}, "value_range='wide' must be two numbers"),
        ({"planes": "some"}, "planes='some'"),
        ({"planes": (-1,)}, "counted from 0"),
        ({"threads": 0}, "threads=0"),
        ({"no_caution": "domain"}, "no_caution='domain' must be names"),
        ({"no_caution": (3,)}, "3 is not one"),
        ({"no_caution": 3}, "no_caution=3 must be names"),
    ],
)
def test_a_value_outside_its_range_is_named(values, words):
    with pytest.raises(OptionsError, match=words):
        Options(**values)


def test_presets_are_options_in_json(tmp_path):
    assert "article" in list_presets()
    article = load_preset("article")
    assert (article.tile, article.halo, article.dilate) == (512, 10, 4)
    mine = tmp_path / "mine.json"
    mine.write_text('{"feather": 4}')
    assert load_preset(mine) == Options(feather=4)
    mine.write_text('{"fether": 4}')
    with pytest.raises(OptionsError, match="Unknown option 'fether'"):
        load_preset(mine)
    mine.write_text("[")
    with pytest.raises(OptionsError, match=r"mine\.json is not a readable JSON file"):
        load_preset(mine)
    mine.write_text("[]")
    with pytest.raises(OptionsError, match="one JSON object"):
        load_preset(mine)
    with pytest.raises(FileMissingError, match=r"'none'.*article"):
        load_preset("none")


images = st.one_of(
    hnp.arrays(np.uint8, st.integers(1, 400)),
    hnp.arrays(np.uint16, st.integers(1, 400)),
    hnp.arrays(np.float32, st.integers(1, 400), elements=st.floats(-1e3, 1e3, width=32)),
)


@pytest.mark.slow
@given(images, st.sampled_from([(0.1, 99.9), (0.0, 100.0)]))
def test_percentiles_equal_numpys(values, percent):
    expected = np.percentile(values.astype(float), percent)
    np.testing.assert_allclose(percentiles(values, percent), expected, rtol=1e-6, atol=1e-6)


def test_percentiles_leave_out_what_is_not_finite(rng):
    values = rng.random(100_000).astype(np.float32)
    values[::7] = np.nan
    expected = np.nanpercentile(values, (0.1, 99.9))
    np.testing.assert_allclose(percentiles(values, (0.1, 99.9)), expected, rtol=1e-6)
    assert percentiles(np.array([np.nan]), (0.1, 99.9)) == (0.0, 1.0)


def test_values_past_the_ends_are_clipped_not_wrapped():
    values, clipped = to_dtype(np.array([-3.2, 300.7, 12.4], np.float32), np.dtype(np.uint8))
    np.testing.assert_array_equal(values, [0, 255, 12])
    np.testing.assert_array_equal(clipped, [True, True, False])
    for dtype in ("uint32", "int64", "uint64"):
        info = np.iinfo(dtype)
        values, _ = to_dtype(np.array([-1e30, 1e30], np.float32), np.dtype(dtype))
        assert values[0] == info.min
        assert values[1] >= info.max - 2048
