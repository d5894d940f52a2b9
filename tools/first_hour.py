"""Play a new user's first hour with mouse and keys in a real napari window.

    python tools/first_hour.py [--chapter NAME ...] [--strict] [--json FILE]

Needs a display, real or virtual, and the extras "zarr" and "plot".
Ends with 1 at the first thing that a user would stumble over, and says at which step.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

HOME = Path(tempfile.mkdtemp(prefix="microenhance-first-hour-"))
# Nobody's settings, and none left behind; before napari reads them.
os.environ["NAPARI_CONFIG"] = str(HOME / "settings.yaml")
for variable in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
    os.environ[variable] = str(HOME)

import napari
import numpy as np
import onnx
import tifffile
from hands import Hands, Trouble
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_microenhance.contributions.samples import fluorescence
from napari_microenhance.images.image_formats import write_image
from napari_microenhance.simulation.specimens import simulate

SIZE_PX = (1600, 1000)
PIXEL_UM = 0.22
CORNERS = ((200, 200), (220, 420), (400, 460), (440, 240))
PLUGIN = "napari-microenhance"
MODES = {"side_by_side": Qt.Key.Key_G, "swipe": Qt.Key.Key_H, "difference": Qt.Key.Key_K}
BLINK = Qt.Key.Key_J
RECORD = "napari-microenhance"


class Play:
    """Steps with a name each, printed as they are done.

    Parameters
    ----------
    folder : Path
        For the files of the play.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: list[str] = []
        self.now = ""

    def step(self, name: str) -> None:
        """Begin a step; the one before is done."""
        if self.now:
            self.done.append(self.now)
            print(f"  ok  {self.now}", flush=True)
        self.now = name

    def window(self) -> Hands:
        """Open a window."""
        viewer = napari.Viewer(show=True)
        viewer.window.resize(*SIZE_PX)
        hands = Hands(viewer)
        hands.pause(200)
        return hands


# --- the files of the play ------------------------------------------------------------


def two_channels(path: Path) -> Path:
    """Write a calibrated OME-TIFF of two channels, 12 bit, as microscopes write them."""
    actin = fluorescence()[0][0][:512, :640]
    nuclei = simulate("nuclei", 640, np.random.default_rng(3)).image[:512]
    pixels = np.stack([actin, np.rint(200 + 2800 * nuclei).astype(np.uint16)])
    rng = np.random.default_rng(5)
    noisy = rng.poisson(pixels / 8.0) * 8.0 + rng.normal(100, 12, pixels.shape)
    metadata = {
        "axes": "CYX",
        "Channel": {"Name": ["actin", "DNA"]},
        "PhysicalSizeX": PIXEL_UM,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": PIXEL_UM,
        "PhysicalSizeYUnit": "µm",
    }
    tifffile.imwrite(path, np.clip(noisy, 0, 4095).astype(np.uint16), metadata=metadata, ome=True)
    return path


def stack(path: Path) -> Path:
    """Write an OME-TIFF of two times, three planes and two channels."""
    pixels = np.random.default_rng(2).integers(100, 3000, (2, 3, 2, 96, 128)).astype(np.uint16)
    metadata = {"axes": "TZCYX", "Channel": {"Name": ["actin", "DNA"]}}
    tifffile.imwrite(path, pixels, metadata=metadata, ome=True)
    return path


def large(path: Path) -> Path:
    """Write a multiscale image of 4096 x 4096 pixels."""
    tile = fluorescence()[0][0][:512, :512]
    write_image(path, np.tile(tile, (8, 8)), "YX")
    return path


def own_model(path: Path) -> Path:
    """Write a model that blurs a little."""
    weights = np.full((1, 1, 3, 3), 1 / 9, np.float32)
    lengths = ["N", 1, "Y", "X"]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])],
        "blur",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, lengths)],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, lengths)],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


# --- chapters --------------------------------------------------------------------------


def chapter_path(play: Play) -> None:
    """The whole path: open, draw, preview, run, compare, inspect, run again, save, re-open."""
    path = two_channels(play.folder / "two channels.ome.tif")
    hands = play.window()
    viewer = hands.viewer
    play.step("open a calibrated two-channel OME-TIFF by File > Open")
    actin, _dna = hands.open(path)
    expect(np.allclose(actin.scale[-2:], PIXEL_UM), f"scale is {actin.scale}")
    play.step("open the dock by Plugins > MicroEnhance > Enhance ROI")
    widget = open_dock(hands)
    play.step("draw a region")
    hands.choose(widget.image, actin.name)
    hands.choose(widget.model, "denoise")
    hands.click(widget.draw_roi)
    hands.draw_polygon(actin, CORNERS, end=True)
    roi = viewer.layers[-1]
    expect(len(roi.data) == 1, f"{len(roi.data)} shapes were drawn")
    before = np.asarray(actin.data).copy()
    play.step("preview")
    with hands.hears(widget.previewed, widget.failed):
        hands.click(widget.preview)
    play.step("run")
    result = run(hands, widget)
    unchanged(actin, before)
    play.step("compare in four ways")
    compare(hands, widget)
    inspect = inspect_all(play, hands, widget, result)
    save_and_reopen(play, hands, inspect, result)
    play.step("close the window")
    hands.nothing_wrong()
    hands.close()


def inspect_all(play: Play, hands: Hands, widget: Any, result: Any) -> Any:
    """Go through every section of the dock that inspects a result."""
    play.step("inspect: what changed")
    inspect = open_inspect(hands, widget)
    with hands.hears(inspect.compared, inspect.failed):
        hands.click(inspect.changes.compare)
    play.step("inspect: trust maps")
    unfold(hands, inspect.trust)
    for button in inspect.trust.buttons.values():
        with hands.hears(inspect.mapped, inspect.failed):
            hands.click(button)
    play.step("inspect: run again")
    unfold(hands, inspect.record)
    with hands.hears(inspect.repeated, inspect.failed) as again:
        hands.click(inspect.record.buttons["again"])
    same(again[0], result)
    # The repetition is what is selected now.
    inspect.result.value = result
    return inspect


def save_and_reopen(play: Play, hands: Hands, inspect: Any, result: Any) -> None:
    """Save a result in both formats, and open each in a new window."""
    for suffix in (".ome.tif", ".ome.zarr"):
        play.step(f"save as {suffix}")
        saved = play.folder / f"denoised{suffix}"
        with hands.files(saved), hands.hears(inspect.saved, inspect.failed):
            hands.click(inspect.record.buttons["save"])
        pixels, record = np.asarray(result.data).copy(), result.metadata[RECORD]
        play.step(f"re-open {suffix} in a new window: the same pixels and record")
        other = play.window()
        opened = [x for x in other.open(saved) if RECORD in x.metadata]
        expect(len(opened) == 1, f"{len(opened)} layers carry the record")
        expect(np.array_equal(np.asarray(opened[0].data), pixels), "the pixels are others")
        kept = opened[0].metadata[RECORD]
        expect(kept == json.loads(json.dumps(record)), "the record is another")
        other.close()


def chapter_models(play: Play) -> None:
    """Other models: a sample, superres-x2, the foreground as ROI, a file of one's own, undo."""
    hands = play.window()
    viewer = hands.viewer
    play.step("an empty dock offers a sample")
    widget = open_dock(hands)
    expect(not widget.run.native.isEnabled(), "Run can be pressed without an image")
    hands.click(widget.try_sample)
    image = hands.until(lambda: widget.image.value, "the sample")
    before = np.asarray(image.data).copy()
    play.step("superres-x2 lies over its image")
    hands.choose(widget.model, "superres-x2")
    result = run(hands, widget)
    expect(result.metadata[RECORD]["model"]["spec"]["scale"] == 2, "the scale is not 2")
    expect(np.allclose(result.scale[-2:], image.scale[-2:] / 2), f"its scale is {result.scale}")
    unchanged(image, before)
    play.step("Discard takes it away, Ctrl+Shift+Z brings it back")
    hands.click(widget.discard)
    hands.until(lambda: result not in viewer.layers, "the result to go")
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    hands.key(Qt.Key.Key_Z, hands.focus(), both)
    hands.until(lambda: result in viewer.layers, "the result to come back")
    play.step("the foreground model finds the ROI")
    hands.choose(widget.image, image.name)
    known = list(viewer.layers)
    hands.pick(widget.more_roi, "From foreground model")
    hands.until(lambda: [x for x in viewer.layers if x not in known], "the ROI that was found")
    hands.until(widget.run.native.isEnabled, "the search to end")
    expect(widget.roi.value is not None, "what was found is not the ROI")
    play.step("a model file of one's own")
    with hands.files(own_model(play.folder / "mine.onnx")):
        hands.click(widget.open_file)
    hands.until(lambda: "mine" in str(widget.model.value), "the model")
    hands.until(widget.run.native.isEnabled, "the model to open")
    result = run(hands, widget)
    expect("mine" in result.name, f"the result is called {result.name}")
    unchanged(image, before)
    hands.nothing_wrong()
    hands.close()


def chapter_stacks(play: Play) -> None:
    """T, Z and C: a stack plane by plane, and all image layers in one go."""
    path = stack(play.folder / "stack.ome.tif")
    hands = play.window()
    play.step("open an OME-TIFF with T, Z and C")
    layers = hands.open(path)
    expect(len(layers) == 2, f"{len(layers)} layers")
    expect(layers[0].data.shape == (2, 3, 96, 128), f"shape {layers[0].data.shape}")
    widget = open_dock(hands)
    play.step("run on all planes")
    hands.choose(widget.image, layers[0].name)
    hands.choose(widget.model, "detail-classic")
    result = run(hands, widget)
    expect(result.data.shape == layers[0].data.shape, f"shape {result.data.shape}")
    play.step("run on all image layers")
    known = list(hands.viewer.layers)
    hands.pick(widget.more_run, "Run on all image layers")
    hands.until(lambda: len(hands.viewer.layers) == len(known) + len(layers), "both results")
    hands.until(widget.run.native.isEnabled, "the batch to end")
    hands.nothing_wrong()
    hands.close()


def chapter_large(play: Play) -> None:
    """A large multiscale image: what is in sight, and a region."""
    hands = play.window()
    play.step("open a multiscale OME-Zarr by File > Open Folder")
    (image,) = hands.open(large(play.folder / "large.ome.zarr"))
    expect(image.multiscale, "it is not multiscale")
    widget = open_dock(hands)
    hands.choose(widget.model, "detail-classic")
    hands.click(widget.draw_roi)
    corners = ((1000, 1000), (1000, 1800), (1700, 1700), (1600, 1100))
    hands.draw_polygon(image, corners, end=True)
    play.step("run on a region of it")
    result = run(hands, widget)
    expect(result.metadata[RECORD]["roi"]["pixels"] < 800 * 800, "more than the region was run")
    hands.nothing_wrong()
    hands.close()


def chapter_trouble(play: Play) -> None:
    """What goes wrong: no model, a wrong value, a cancel; then it works as before."""
    hands = play.window()
    image = hands.viewer.add_image(np.random.default_rng(0).random((1500, 1500), np.float32))
    widget = open_dock(hands)
    play.step("a file that is no model gives one sentence")
    wrong = play.folder / "wrong.onnx"
    wrong.write_text("<html>not found</html>", "utf-8")
    with hands.files(wrong), hands.hears(widget.failed):
        hands.click(widget.open_file)
    sentence = hands.wrong()
    expect("wrong.onnx" in sentence and "Traceback" not in sentence, sentence)
    play.step("cancel ends a run, and leaves no layer")
    hands.choose(widget.model, "denoise")
    hands.until(widget.run.native.isEnabled, "the model to open")
    with hands.hears(widget.cancelled, widget.failed):
        hands.click(widget.run)
        hands.until(widget.cancel.native.isEnabled, "Cancel to be enabled")
        hands.pause(300)
        hands.click(widget.cancel)
    hands.pause(200)
    expect(list(hands.viewer.layers) == [image], f"layers: {list(hands.viewer.layers)}")
    play.step("then a run works as before")
    hands.choose(widget.model, "detail-classic")
    run(hands, widget)
    hands.close()


# --- what chapters are made of ------------------------------------------------------------


def open_dock(hands: Hands) -> Any:
    """Open the dock by napari's menu, and wait until its model is open."""
    hands.menu("Plugins", "MicroEnhance", "Enhance ROI")
    docks = hands.viewer.window.dock_widgets
    widget = hands.until(
        lambda: next((w for name, w in docks.items() if name.startswith("Enhance ROI")), None),
        "the dock",
    )
    hands.until(lambda: widget.native.isVisible(), "the dock in sight")
    return widget


def open_inspect(hands: Hands, widget: Any) -> Any:
    """Open the dock that inspects a result."""
    hands.click(widget.inspect)
    docks = hands.viewer.window.dock_widgets
    return hands.until(
        lambda: next((w for name, w in docks.items() if name.startswith("Inspect")), None),
        "the dock Inspect result",
    )


def unfold(hands: Hands, section: Any) -> None:
    """Unfold a section by its heading."""
    if not section.isExpanded():
        hands.click(section.toggleButton() if hasattr(section, "toggleButton") else section)
        hands.until(section.isExpanded, "the section to unfold")
        hands.pause(300)


def run(hands: Hands, widget: Any) -> Any:
    """Press Run and return the result's layer."""
    with hands.hears(widget.completed, widget.failed) as ended:
        hands.click(widget.run)
    if isinstance(ended[0], Exception):
        raise ended[0]
    hands.pause(100)
    return ended[0]


def compare(hands: Hands, widget: Any) -> None:
    """Look at the last result in all four ways, by button and by key."""
    plain = hands.viewer.screenshot(flash=False)
    for name, key in MODES.items():
        hands.click(widget[name])
        hands.pause(300)
        looks_other(hands, plain, name)
        if name == "swipe":
            middle = hands.canvas.rect().center()
            hands.drag(middle, middle - type(middle)(120, 0))
        hands.key(key)
        hands.pause(200)
        expect(not widget[name].value, f"the key of {name} did not end it")
    QTest.keyPress(hands.canvas, BLINK)
    hands.pause(200)
    looks_other(hands, plain, "blink")
    QTest.keyRelease(hands.canvas, BLINK)
    hands.pause(200)
    expect(np.array_equal(hands.viewer.screenshot(flash=False), plain), "something stayed")


def looks_other(hands: Hands, plain: np.ndarray, name: str) -> None:
    """Expect that the canvas shows something else than before."""
    hands.nothing_wrong()
    shown = hands.viewer.screenshot(flash=False)
    changed = shown.shape != plain.shape or (shown != plain).any(axis=-1).mean() > 0.001
    expect(changed, f"{name} shows nothing new")


def unchanged(layer: Any, before: np.ndarray) -> None:
    """Expect that an image is as it was."""
    expect(np.array_equal(np.asarray(layer.data), before), f"{layer.name} was changed")


def same(layer: Any, other: Any) -> None:
    """Expect equal pixels."""
    expect(np.array_equal(np.asarray(layer.data), np.asarray(other.data)), "other pixels")


def expect(holds: object, otherwise: str) -> None:
    """Raise what a user would see."""
    if not holds:
        raise Trouble(otherwise)


CHAPTERS: dict[str, Callable[[Play], None]] = {
    "path": chapter_path,
    "models": chapter_models,
    "stacks": chapter_stacks,
    "large": chapter_large,
    "trouble": chapter_trouble,
}


def main() -> int:
    """Play the chapters that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chapter", nargs="*", choices=CHAPTERS, default=list(CHAPTERS))
    parser.add_argument("--strict", action="store_true", help="warnings of our calls are errors")
    parser.add_argument("--json", type=Path, help="where to write what was done")
    arguments = parser.parse_args()
    if arguments.strict:
        warnings.filterwarnings("error", module=r"napari_microenhance\.")
    play = Play(HOME)
    trouble = ""
    start = time.monotonic()
    try:
        for name in arguments.chapter:
            print(f"{name}: {CHAPTERS[name].__doc__}")
            CHAPTERS[name](play)
            play.step("")
    except Exception as error:
        trouble = f"{play.now}: {type(error).__name__}: {error}"
        print(f"FAILED at {trouble}", flush=True)
        raise
    finally:
        told = {"done": play.done, "trouble": trouble, "seconds": round(time.monotonic() - start)}
        if arguments.json:
            arguments.json.write_text(json.dumps(told), "utf-8")
        shutil.rmtree(HOME, ignore_errors=True)
    print(f"{len(play.done)} steps in {told['seconds']} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
