"""The fields, buttons and lines of the dock "Enhance ROI", without behaviour."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, Label, LineEdit, ProgressBar, PushButton, Widget

from napari_microenhance.widgets.compare.buttons import ModeButton, mode_buttons
from napari_microenhance.widgets.fields.layer_box import LayerBox
from napari_microenhance.widgets.fields.layout import button, wrapped_text
from napari_microenhance.widgets.fields.options_form import (
    OPTION_NAMES,
    OptionField,
    let_shrink,
    make_field,
)

__all__ = ["Choices", "EnhanceFields", "make_fields"]

Choices = Callable[[Any], list[tuple[str, Any]]]
"""Gets a field, which it need not look at; returns (text, value) pairs."""


@dataclasses.dataclass(frozen=True, eq=False)
class EnhanceFields:
    """All parts of the dock, top to bottom.

    Each is called as its attribute, or as its key in `options` and `modes`.
    """

    image: LayerBox
    noise: Label
    roi: LayerBox
    draw_roi: PushButton
    more_roi: PushButton
    roi_label: LineEdit
    each_shape: CheckBox
    model: ComboBox
    open_file: PushButton
    open_recent: PushButton
    about: Label
    preset: ComboBox
    preset_menu: PushButton
    options: Mapping[str, OptionField]
    caution: Label
    run: PushButton
    more_run: PushButton
    preview: PushButton
    cancel: PushButton
    progress: ProgressBar
    status: Label
    remarks: Label
    modes: Mapping[str, ModeButton]
    use_as_roi: PushButton
    inspect: PushButton
    save_result: PushButton
    discard: PushButton
    try_sample: PushButton

    def __iter__(self) -> Iterator[Widget]:
        for field in dataclasses.fields(self):
            part = getattr(self, field.name)
            yield from part.values() if isinstance(part, Mapping) else (part,)


def make_fields(
    *, images: Choices, rois: Choices, models: Choices, presets: Choices
) -> EnhanceFields:
    """Make all parts.

    Parameters
    ----------
    images, rois, models, presets : callable
        What the choosers offer.
    """
    fields = EnhanceFields(
        image=LayerBox(
            name="image",
            label="Image",
            choices=images,
            tooltip="The image layer to enhance; it is never changed.",
        ),
        noise=wrapped_text("noise"),
        roi=LayerBox(
            name="roi",
            label="ROI",
            choices=rois,
            nullable=True,
            tooltip="Shapes or Labels layer that marks what to enhance; pixels outside stay "
            "unchanged.",
        ),
        draw_roi=button(
            "draw_roi", "Draw ROI", "Add a Shapes layer and draw a polygon on the image."
        ),
        more_roi=button("more_roi", "", "Other shapes, automatic foreground, ROI files."),
        roi_label=LineEdit(
            name="roi_label",
            label="ROI labels",
            tooltip="Labels that form the ROI, such as 1, 3; empty: all labels.",
        ),
        each_shape=CheckBox(
            name="each_shape",
            text="One result per shape",
            tooltip="Each shape gives its own result layer, cropped to that shape.",
        ),
        model=ComboBox(
            name="model",
            label="Model",
            choices=models,
            tooltip="Built-in model, model from your folder, or file that you opened.",
        ),
        open_file=button(
            "open_file", "Open file…", "Open a model file or package; you can also drop one here."
        ),
        open_recent=button("open_recent", "", "Recently opened files."),
        about=wrapped_text("about"),
        preset=ComboBox(
            name="preset",
            label="Preset",
            choices=presets,
            tooltip="Sets all options at once; use the arrow to save or open presets.",
        ),
        preset_menu=button("preset_menu", "", "Save and open presets."),
        options={name: make_field(name) for name in OPTION_NAMES},
        caution=wrapped_text("caution"),
        run=button("run", "Run", "Enhance the whole ROI."),
        more_run=button("more_run", "", "Run on several images."),
        preview=button("preview", "Preview", "Enhance the visible part of the ROI."),
        cancel=button("cancel", "Cancel", "Stop the run and discard what it has done."),
        progress=ProgressBar(name="progress", min=0, max=1, value=0),
        status=wrapped_text("status"),
        remarks=wrapped_text("remarks"),
        modes={mode.name: mode for mode in mode_buttons()},
        use_as_roi=button("use_as_roi", "Use as ROI", "Use the labels of this result as the ROI."),
        inspect=button("inspect", "Inspect…", "What the result changed, and where to doubt it."),
        save_result=button(
            "save_result", "Save…", "Save the result with its record, as OME-TIFF or OME-Zarr."
        ),
        discard=button("discard", "Discard", "Remove this result; Ctrl+Shift+Z restores it."),
        try_sample=button(
            "try_sample", "Try a sample", "Open a simulated fluorescence image with an ROI."
        ),
    )
    for chooser in (fields.image, fields.roi, fields.model, fields.preset):
        let_shrink(chooser)
    native: Any = fields.model.native
    native.setMinimumContentsLength(4)
    native = fields.roi_label.native
    native.setPlaceholderText("All labels, or some, such as 1, 3")
    return fields
