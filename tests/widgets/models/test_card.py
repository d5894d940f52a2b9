"""The card of a network: facts, findings, tests on the image, and what the user knows better."""

import re

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtCore import QThreadPool

import dock
import toys
from napari_microenhance.api import load_edits, load_model
from napari_microenhance.engine.probing.findings import Finding
from napari_microenhance.engine.reports.report_sections import ProviderSection
from napari_microenhance.engine.spec import ModelSpec, SizeRule
from napari_microenhance.engine.tiles.sizing import tiling_of
from napari_microenhance.errors import OptionsError
from napari_microenhance.widgets.fields.theme_colours import DockColours, css
from napari_microenhance.widgets.models.card import ModelCard, parse_channels
from napari_microenhance.widgets.models.facts import describe

DARK = DockColours.of_theme("dark")
BAD = css(DARK.error)
CAUTION = css(DARK.caution)

NETWORK = "detail-classic"
SQUARE = np.array([(20.0, 30.0), (20.0, 70.0), (60.0, 70.0), (60.0, 30.0)])


@pytest.fixture
def card(widget):
    return widget.card


@pytest.fixture
def loose(qtbot):
    """A card without a widget around it."""
    card = ModelCard()
    qtbot.addWidget(card)
    return card


# Facts


def test_what_a_network_is_in_words():
    spec = ModelSpec(
        name="x",
        channels_in=3,
        channels_out=3,
        scale=2.0,
        radius=10,
        shift_step=8,
        border_loss=(4, 4),
        size=(SizeRule(16, 8), SizeRule(16, 8)),
        licence="MIT",
    )
    facts = dict(describe(spec))
    assert facts["Input"] == "colour, float32, YxX"
    assert facts["Output"] == "colour"
    assert facts["Size"] == "16 + n x 8 px"
    assert facts["Scale"] == "2 output px per input px"
    assert facts["Receptive field"] == "10 px, halo 16 px"
    assert facts["Border"] == "cropped by 4 px on every side"
    assert facts["Shift step"] == "tiles start at multiples of 8 px"
    assert facts["Licence"] == "MIT"
    assert "Citation" not in facts
    assert "Output range" not in facts


def test_two_ranges_further_channels_and_the_order_of_colours_in_words():
    spec = ModelSpec(
        name="x",
        channels_in=4,
        channels_out=3,
        extra_channels=1,
        colour_order="bgr",
        output_range=(0.0, 255.0),
        output_range_source="measured",
    )
    facts = dict(describe(spec))
    assert facts["Input"].startswith("colour and a constant, such as a noise level, float32")
    assert facts["Value range"] == "0 to 1 (default)"
    assert facts["Output range"] == "0 to 255 (measured)"
    assert facts["Colours"] == "blue, green, red"


def test_labels_and_global_networks_in_words():
    facts = dict(describe(ModelSpec(name="x", task="labels", channels_out=4)))
    assert facts["Output"] == "labels, 4 classes"
    assert facts["Receptive field"].startswith(
        "the whole tile, neighbouring tiles are blended over"
    )


def test_the_useful_share_of_a_fixed_tile():
    rule = SizeRule(fixed=128)
    tiling = tiling_of(ModelSpec(name="x", size=(rule, rule), radius=15))
    # A halo of 15 px and one pixel more at either side of a seam.
    assert tiling.tile == (128, 128)
    assert tiling.kept == (96, 96)
    assert tiling.useful == 0.75**2


def test_a_volume_has_a_useful_share_too():
    rules = (SizeRule(),) * 3
    tiling = tiling_of(ModelSpec(name="x", axes_in="NCZYX", size=rules, radius=2))
    assert len(tiling.tile) == 3
    assert 0.5 < tiling.useful < 1


# The card


def model_of(**spec):
    details = (Finding("info", "It is <b>small</b>."), Finding("caution", "It drifts."))
    return type(
        "Model",
        (),
        {"spec": ModelSpec(name="x", **spec), "details": details, "card": "", "package": None},
    )()


def test_cautions_stand_out(loose):
    loose.show_model(model_of(), editable=True)
    text = loose.facts.text()
    assert f'color:{CAUTION}">⚠ It drifts.' in text
    assert "It is &lt;b&gt;small&lt;/b&gt;." in text
    assert text.count(CAUTION) == 1


@pytest.mark.parametrize(
    ("asked", "got", "is_red"),
    [("auto", "cpu", False), ("cpu", "cpu", False), ("cuda", "cpu", True)],
)
def test_another_provider_than_asked_is_red(loose, asked, got, is_red):
    loose.show_model(model_of(), editable=True)
    loose.show_provider(ProviderSection(asked=asked, got=got))
    assert f"{asked} requested, {got} used" in loose.facts.text()
    assert (BAD in loose.facts.text()) == is_red


def test_the_text_of_others_loads_and_runs_nothing(loose):
    loose.show_nothing("# Title\n\n![x](file:///etc/hostname) <script>bad</script> [go](file:///x)")
    assert "Title" in loose.words.toPlainText()
    assert loose.words.loadResource(2, None) is None
    assert not loose.words.openLinks()
    assert loose.edits() == {}


def test_only_what_was_changed_is_an_edit(loose):
    loose.show_model(model_of(value_range=(-1.0, 1.0)), editable=True)
    assert loose.edits() == {}
    loose.task.value = "labels"
    loose.value_range.value = (0.0, 255.0)
    loose.output_channels.value = "4, 5, 6"
    wanted = {"task": "labels", "value_range": (0.0, 255.0), "output_channels": (4, 5, 6)}
    assert loose.edits() == wanted
    loose.value_range.value = "auto"
    assert loose.edits()["value_range"] is None


@pytest.mark.parametrize(
    ("text", "wanted"), [("all", ()), ("", ()), ("3", (3,)), ("4 5,6", (4, 5, 6))]
)
def test_channels_as_text(text, wanted):
    assert parse_channels(text) == wanted


@pytest.mark.parametrize("text", ["red", "1-3", "-1", "1.5"])
def test_channels_that_are_none(text):
    with pytest.raises(OptionsError, match="whole numbers"):
        parse_channels(text)


# In the widget


def test_a_builtin_network_is_opened_when_its_card_is(qtbot, widget, card, image):
    assert card.facts.text() == "<table></table>"
    assert card.words.toPlainText()
    assert card.words.textCursor().atStart()  # the text unfolds from its first line
    card.expand()
    qtbot.waitUntil(lambda: "Receptive field" in card.facts.text(), timeout=dock.WAIT_MS)
    radius = load_model(NETWORK).spec.radius
    assert f"{radius} px" in card.facts.text()
    # It came with the program: there is nothing to know better.
    assert card.editor.isHidden()


def test_the_card_follows_the_choice(qtbot, widget, card, image, tmp_path):
    dock.opened(qtbot, widget, toys.espcn(tmp_path / "finer.onnx", scale=3))
    assert "3 output px" in card.facts.text()
    assert not card.editor.isHidden()
    widget.model.value = NETWORK
    assert "3 output px" not in card.facts.text()


def test_a_run_shows_its_provider(qtbot, widget, card, image, tmp_path):
    dock.opened(qtbot, widget, toys.plain(tmp_path / "toy.onnx"))
    assert "cpu used" not in card.facts.text()
    dock.run(qtbot, widget)
    assert "auto requested, cpu used" in card.facts.text()


def test_one_tile_of_the_image(qtbot, widget, card, viewer, rng, tmp_path):
    data = rng.integers(20, 200, (600, 700), dtype=np.uint8)
    data[0, 0] = 0
    viewer.add_image(data)
    g = toys.Graph(1)
    path = g.save(tmp_path / "twice.onnx", g.node("Mul", "x", g.constant(np.float32([2]))))
    dock.opened(qtbot, widget, path)
    viewer.scene.camera.zoom = 10
    viewer.scene.camera.center = (0, 300, 350)
    card.test.native.click()
    assert not card.test.enabled
    text = dock.said(qtbot, card, "took")
    middle = data[172:428, 222:478].astype(int)
    low, high = middle.min(), middle.max()
    assert text.startswith("One tile of 258 x 258 px")
    assert f"values {low} to {high} became {2 * low} to {2 * high}" in text
    share = float(re.search(r"([\d.]+)% of the values", text)[1])
    assert share == pytest.approx(100 * (2 * middle > 255).mean(), abs=0.01)
    assert card.test.enabled
    assert len(viewer.layers) == 1


def test_one_tile_of_labels(qtbot, widget, card, image, tmp_path):
    g = toys.Graph(1)
    path = g.save(
        tmp_path / "cutter.onnx",
        g.node("Sigmoid", g.node("Sub", "x", g.constant(np.float32([0.4])))),
        metadata={"microenhance.task": "labels"},
    )
    dock.opened(qtbot, widget, path)
    card.test.native.click()
    share = (image.data / 255 >= 0.4).mean()
    assert f"labels 0 to 1, {share:.0%} of the pixels" in dock.said(qtbot, card, "took")


@pytest.mark.parametrize("kind", ["volume", "finer", "colour", "builtin"])
def test_any_network_can_be_tested(qtbot, widget, card, viewer, rng, tmp_path, kind):
    shape = {"volume": (2, 9, 60, 70), "colour": (60, 70, 3)}.get(kind, (4, 60, 70))
    viewer.add_image(rng.integers(0, 256, shape, dtype=np.uint8), rgb=kind == "colour")
    if kind == "volume":
        dock.opened(qtbot, widget, toys.volume(tmp_path / "toy.onnx"))
    elif kind == "finer":
        dock.opened(qtbot, widget, toys.espcn(tmp_path / "toy.onnx"))
    card.test.native.click()
    assert " became " in dock.said(qtbot, card, "took")


def test_a_test_that_fails_says_why(qtbot, widget, card, viewer):
    viewer.add_image(np.full((40, 50), np.nan, np.float32), contrast_limits=(0, 1))
    heard = []
    widget.failed.connect(heard.append)
    card.test.native.click()
    qtbot.waitUntil(lambda: bool(heard), timeout=dock.WAIT_MS)
    assert "NaN" in widget.status.value
    assert card.test.enabled
    assert not card.outcome.text()


def test_what_the_user_knows_is_kept_and_used(qtbot, widget, card, image, tmp_path):
    path = toys.plain(tmp_path / "toy.onnx")
    dock.opened(qtbot, widget, path)
    card.task.value = "labels"
    card.value_range.value = (-1.0, 1.0)
    widget.status.value = ""
    card.save.native.click()
    qtbot.waitUntil(lambda: "is open" in widget.status.value, timeout=dock.WAIT_MS)
    assert load_edits(path) == {"task": "labels", "value_range": (-1.0, 1.0)}
    assert widget.model.value == str(path)
    assert isinstance(dock.run(qtbot, widget), Labels)
    # One is taken back, the other stays.
    card.task.value = "labels"
    card.value_range.value = "auto"
    widget.status.value = ""
    card.save.native.click()
    qtbot.waitUntil(lambda: "is open" in widget.status.value, timeout=dock.WAIT_MS)
    assert load_edits(path) == {"task": "labels"}


def test_an_edit_that_means_nothing_is_not_kept(qtbot, widget, card, image, tmp_path):
    path = toys.plain(tmp_path / "toy.onnx")
    dock.opened(qtbot, widget, path)
    card.output_channels.value = "red"
    heard = []
    widget.failed.connect(heard.append)
    card.save.native.click()
    assert isinstance(heard[0], OptionsError)
    assert load_edits(path) == {}


# Use as ROI


def test_a_result_of_labels_is_used_as_roi(qtbot, widget, viewer, image, tmp_path):
    assert not widget.use_as_roi.enabled
    viewer.add_labels(np.ones((96, 128), int), name="not ours")
    viewer.add_shapes([SQUARE], shape_type="polygon")
    assert not widget.use_as_roi.enabled
    path = tmp_path / "cutter.onnx"
    g = toys.Graph(1)
    g.save(path, g.conv("x", 1, 1), metadata={"microenhance.task": "labels"})
    dock.opened(qtbot, widget, path)
    first = dock.run(qtbot, widget)
    second = dock.run(qtbot, widget)
    assert widget.use_as_roi.enabled
    widget.use_as_roi.native.click()
    assert widget.roi.value is second
    viewer.layers.selection.active = first
    widget.use_as_roi.native.click()
    assert widget.roi.value is first
    widget.model.value = NETWORK
    result = dock.run(qtbot, widget)
    np.testing.assert_array_equal(result.data[first.data == 0], image.data[first.data == 0])
    for layer in (first, second):
        viewer.layers.remove(layer)
    assert not widget.use_as_roi.enabled
    assert widget.roi.value is None


def test_a_dropped_test_has_no_last_word(qtbot, widget, card, viewer, tmp_path):
    viewer.add_image(np.zeros((400, 400), np.float32), contrast_limits=(0, 1))
    dock.opened(qtbot, widget, toys.plain(tmp_path / "slow.onnx", convs=24, width=64))
    card.test.native.click()
    widget.model.value = NETWORK
    assert card.test.enabled
    assert not card.outcome.text()
    QThreadPool.globalInstance().waitForDone(dock.WAIT_MS)
    qtbot.wait(20)
    assert not card.outcome.text()
