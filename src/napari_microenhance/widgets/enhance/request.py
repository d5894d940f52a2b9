"""What the fields of the dock say, and what that means for the viewer as it is."""

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

from napari_microenhance.api import Model, Options
from napari_microenhance.errors import ImageError, ModelError
from napari_microenhance.widgets.roi.drawn_roi import DrawnRoi, read_roi
from napari_microenhance.widgets.running.batch import Batch, Run
from napari_microenhance.widgets.running.task import Task
from napari_microenhance.widgets.viewer.layer_values import is_result, read_image

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Shapes

    from napari_microenhance.widgets.viewer.view import View

__all__ = ["EnhanceRequest", "resolve", "resolve_runs"]

_NO_NETWORK = "No model is selected; open an ONNX file."


@dataclasses.dataclass(frozen=True, eq=False)
class EnhanceRequest:
    """The fields of the dock as they are at one moment.

    Parameters
    ----------
    image : napari.layers.Image or None
    roi : napari.layers.Shapes, napari.layers.Labels or None
        None: the whole image.
    key : str
        Of the network among the choices; empty where none is chosen.
    model : Model, str or None
        The open network, or the name of a built-in one.
    options : Options
        All planes; `only_current` says whether it is to be one.
    only_current : bool
        Whether only the plane in sight is to be processed.
    classes : tuple of int
        Labels of the ROI that count; none named: all but 0.
    each_shape : bool
        Whether each shape of the ROI gets a result of its own.
    """

    image: "Image | None" = None
    roi: "Shapes | Labels | None" = None
    key: str = ""
    model: Model | str | None = None
    options: Options = dataclasses.field(default_factory=Options)
    only_current: bool = False
    classes: tuple[int, ...] = ()
    each_shape: bool = False


def chosen_image(request: EnhanceRequest) -> "Image":
    """Return the image of a request.

    Raises
    ------
    ImageError
        If there is none.
    """
    if request.image is None:
        raise ImageError("No image layer is selected; add an image to the viewer first.")
    return request.image


def resolve(request: EnhanceRequest, view: "View", *, preview: bool = False) -> Task:
    """Return the run that a request means; no pixel is read, nothing is changed.

    Parameters
    ----------
    request : EnhanceRequest
        Its ROI reaches the image through the world.
    view : View
        Which plane is in sight, and which part of it.
    preview : bool
        Whether only what is in sight is to be computed.

    Returns
    -------
    Task

    Raises
    ------
    MicroEnhanceError
        If image, network, ROI or options are missing or cannot be used.
    """
    image = chosen_image(request)
    if request.model is None:
        raise ModelError(_NO_NETWORK)
    source = read_image(image)
    plane = view.plane_of(image, source.data.shape)
    number = source.plane_number(plane, depth=not _takes_volumes(request.model))
    options = request.options
    if number is not None and (preview or request.only_current):
        options = dataclasses.replace(options, planes=(number,))
    return Task(
        source=source,
        model=request.model,
        roi=read_roi(request.roi, image, view, classes=request.classes),
        options=options,
        preview=preview,
        window=view.window_of(image, source.spatial_shape) if preview else None,
    )


def resolve_foreground(request: EnhanceRequest, view: "View") -> Task:
    """Return the run that finds the foreground with the network of a request.

    Of the options, only those count that say where and how fast it is done.

    Raises
    ------
    MicroEnhanceError
        As `resolve`.
    """
    task = resolve(request, view)
    names = ("planes", "provider", "threads", "memory")
    options = Options(**{name: getattr(task.options, name) for name in names})
    return dataclasses.replace(task, roi=DrawnRoi(), options=options)


def resolve_runs(
    request: EnhanceRequest, images: Iterable["Image"], view: "View"
) -> tuple[Run, ...]:
    """Return a request's runs over several images; what is wrong with one of them goes with it.

    Parameters
    ----------
    request : EnhanceRequest
        Its own image does not count.
    images : iterable of napari.layers.Image
    view : View
    """
    runs: list[Run] = []
    for image in images:
        try:
            task = resolve(dataclasses.replace(request, image=image), view)
        except Exception as error:  # noqa: BLE001 - told when its turn comes
            runs.append(Run(image, error=error))
            continue
        parts = task.roi.split() if request.each_shape else (task.roi,)
        for number, roi in enumerate(parts, start=1):
            name = f"shape {number}" if len(parts) > 1 else ""
            runs.append(Run(image, dataclasses.replace(task, roi=roi, part=name)))
    return tuple(runs)


def batch_of_run(request: EnhanceRequest, view: "View") -> Batch:
    """Return the run that a request means, or one for each shape of the ROI.

    Raises
    ------
    MicroEnhanceError
        As `resolve`.
    """
    runs = resolve_runs(request, [chosen_image(request)], view)
    if runs[0].error is not None:
        raise runs[0].error
    return Batch(runs, request.key)


def batch_of_preview(request: EnhanceRequest, view: "View") -> Batch:
    """Return the run of what is in sight.

    Raises
    ------
    MicroEnhanceError
        As `resolve`.
    """
    task = resolve(request, view, preview=True)
    return Batch([Run(chosen_image(request), task)], request.key, preview=True)


def batch_of_images(request: EnhanceRequest, images: Iterable["Image"], view: "View") -> Batch:
    """Return a run for every image that is no result of ours.

    Raises
    ------
    ImageError
        If all of them are.
    ModelError
        If no network is chosen.
    """
    chosen_image(request)
    if request.model is None:
        raise ModelError(_NO_NETWORK)
    chosen = [image for image in images if not is_result(image)]
    if not chosen:
        raise ImageError("All image layers are results; add an image to the viewer first.")
    return Batch(resolve_runs(request, chosen, view), request.key, keeps=True)


def batch_of_foreground(request: EnhanceRequest, view: "View") -> Batch:
    """Return the run whose result becomes the ROI.

    Raises
    ------
    MicroEnhanceError
        As `resolve`.
    """
    task = resolve_foreground(request, view)
    return Batch([Run(chosen_image(request), task)], request.key, as_roi=True)


def _takes_volumes(model: Model | str) -> bool:
    """Return whether a network sees z, y and x at once."""
    return isinstance(model, Model) and "Z" in model.spec.axes_in
