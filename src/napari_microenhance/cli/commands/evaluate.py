"""`evaluate`: how good the networks are, beside the classical methods."""

import importlib
import importlib.metadata
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from napari_microenhance.cli.options import OVERWRITE
from napari_microenhance.cli.terminal import say
from napari_microenhance.errors import (
    FileMissingError,
    ImageError,
    ModelError,
    OptionsError,
    OutputError,
)
from napari_microenhance.outputs import guard_output

if TYPE_CHECKING:
    from napari_microenhance.api import Model
    from napari_microenhance.evaluation.clean_pictures import CleanPicture
    from napari_microenhance.evaluation.evaluating import Candidate, Evaluation, Run
    from napari_microenhance.evaluation.page import Circumstances


THREADS: Final = 2
YARDSTICK: Final = "detail-classic"
DATA: Final = "MICROENHANCE_DATA"
SMALLEST: Final = 96  # px; of less, percentiles and windowed metrics say little
QUICK: Final = 2  # pictures of either kind
MEMORY: Final = ".evaluation.json"
PACKAGES: Final = (
    "napari-microenhance",
    "numpy",
    "scikit-image",
    "PyWavelets",
    "bm3d",
    "onnxruntime",
)


def evaluate_networks(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAMES]...",
            help="Built-in models or model files; without it all built-in models.",
            show_default=False,
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder of real images; NAME_labels.tif beside NAME.tif holds its true "
            "foreground.",
            show_default=f"${DATA}/images",
        ),
    ] = None,
    fields: Annotated[int, typer.Option(min=0, help="Number of simulated images.")] = 7,
    out: Annotated[Path, typer.Option(help="Folder for models.md and its pictures.")] = Path(
        "docs"
    ),
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all figures as JSON.")
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Instead of all this: real exposures in FOLDER/raw, their ground truth in "
            "FOLDER/gt.",
            show_default=False,
        ),
    ] = None,
    clean: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Instead of all this: clean images, to which white and correlated noise is added.",
            show_default=False,
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A quick check: few and small images.")
    ] = False,
    overwrite: OVERWRITE = False,
) -> None:
    """Compare models with classical methods (extra "evaluate")."""
    from napari_microenhance.cli.extras import extra

    with extra("evaluate"):
        if pairs is not None or clean is not None:
            from napari_microenhance.cli.commands.evaluate_pairs import evaluate_on_pairs

            evaluate_on_pairs(
                names or [],
                json_file,
                pairs=pairs,
                clean=clean,
                overwrite=overwrite,
                quick=quick,
                on_progress=_show,
            )
            return
        # scikit-image asks for it only when wavelets are computed, minutes later.
        importlib.import_module("pywt")
        from napari_microenhance.api import list_models, load_model
        from napari_microenhance.files import check_target

        folder = images or _known_folder()
        chosen = names or [info.name for info in list_models() if info.source == "built-in"]
        networks = [load_model(name) for name in chosen]
        pictures = _pictures(
            folder, QUICK if quick else None, min(fields, QUICK) if quick else fields
        )
        _make_folder(out / "images" / "models")
        outputs = {"--json": json_file, "--out": out / "models.md"}
        outputs |= {
            f"the picture of {network.name}": out / _panel(network.name) for network in networks
        }
        for name, target in outputs.items():
            if target is not None:
                guard_output(
                    target,
                    overwrite=overwrite,
                    inputs={"--images": folder},
                    name=name,
                    option="--overwrite",
                )
                check_target(target)
        command = _command(names or [], folder, fields=fields, quick=quick)
        _evaluate(networks, pictures, command, out=out, json_file=json_file, quick=quick)


def _evaluate(
    networks: Sequence["Model"],
    pictures: Sequence["CleanPicture"],
    command: str,
    *,
    out: Path,
    json_file: Path | None,
    quick: bool,
) -> None:
    """Measure everything, then write everything."""
    from napari_microenhance.evaluation.evaluating import QUICK_EDGES, evaluate, pace
    from napari_microenhance.evaluation.page import Circumstances
    from napari_microenhance.evaluation.scores import Memory

    memory = Memory(out / MEMORY)
    effort = {"edge": SMALLEST, "repeats": 1} if quick else {}
    found: list[Evaluation] = []
    speeds: dict[str, float] = {}
    twins: dict[str, float] = {}
    for candidate in map(_candidate, _with_yardstick(networks)):
        speeds[candidate.name] = pace(
            candidate.run, candidate.task, scale=candidate.scale, **effort
        )
        if candidate.twin is not None:
            twins[candidate.name] = pace(
                candidate.twin, candidate.task, scale=candidate.scale, **effort
            )
        if candidate.name in {network.name for network in networks}:
            found.append(
                evaluate(
                    candidate,
                    pictures,
                    memory=memory,
                    edges=QUICK_EDGES if quick else None,
                    on_progress=_show,
                )
            )
    _show("")
    circumstances = Circumstances(command, _versions(), _bm3d_remark(), speeds, twins, THREADS)
    _write(found, circumstances, out=out, json_file=json_file)


def _write(
    evaluations: Sequence["Evaluation"],
    circumstances: "Circumstances",
    *,
    out: Path,
    json_file: Path | None,
) -> None:
    """Write the pictures, the page and the figures; say where they are."""
    from PIL import Image

    from napari_microenhance.evaluation.page import write_page
    from napari_microenhance.evaluation.panels import draw_panel
    from napari_microenhance.files import replacing

    panels: dict[str, str] = {}
    for evaluation in evaluations:
        name = evaluation.candidate.name
        if not evaluation.trials:
            continue
        panels[name] = _panel(name)
        with replacing(out / panels[name]) as handle:
            Image.fromarray(draw_panel(evaluation)).save(handle, "JPEG", quality=85)
    with replacing(out / "models.md") as handle:
        handle.write(
            write_page(evaluations, circumstances, panels, yardstick=YARDSTICK).encode("utf-8")
        )
    say(f"{len(evaluations)} models -> {out / 'models.md'}")
    if json_file is not None:
        figures = {
            "command": circumstances.command,
            "versions": dict(circumstances.versions),
            "megapixels_per_second": dict(circumstances.speeds),
            "networks": [evaluation.to_dict() for evaluation in evaluations],
        }
        with replacing(json_file) as handle:
            handle.write(json.dumps(figures, indent=2).encode() + b"\n")
        say(f"every figure -> {json_file}")


def _panel(name: str) -> str:
    """Return where the picture of a network is, as seen from the page."""
    return f"images/models/{name}.jpg"


def _candidate(network: "Model") -> "Candidate":
    """Return a network as something that can be evaluated."""
    from napari_microenhance.evaluation.evaluating import Candidate, task_of
    from napari_microenhance.models.catalogue import twin_of

    if network.spec.scale < 1:
        raise ModelError(
            f"{network.name} makes images smaller; there is nothing to compare it with."
        )
    task = task_of(network.name, network.spec)
    return Candidate(
        name=network.name,
        sha256=network.sha256,
        task=task,
        scale=round(network.spec.scale),
        size=network.path.stat().st_size,
        radius=network.spec.radius,
        run=_run(network, "auto"),
        twin=_run(network, "int8") if twin_of(network.path) else None,
    )


def _run(network: "Model", precision: str) -> "Run":
    """Return what runs a network on a trial's image, through the same door as everybody."""
    from napari_microenhance.api import Options, enhance
    from napari_microenhance.evaluation.evaluating import runner, task_of

    def pixels(image: Any, options: Mapping[str, Any]) -> Any:  # noqa: ANN401 - arrays
        chosen = Options(provider="cpu", threads=THREADS, precision=precision, **options)
        return enhance(image, network, options=chosen).pixels

    return runner(task_of(network.name, network.spec), pixels)


def _with_yardstick(networks: Sequence["Model"]) -> Iterator["Model"]:
    """Yield the networks, and the one that speeds are compared with."""
    from napari_microenhance.api import load_model

    if YARDSTICK not in {network.name for network in networks}:
        yield load_model(YARDSTICK)
    yield from networks


def _known_folder() -> Path | None:
    """Return the folder of images that the environment names, if it is there."""
    folder = Path(os.environ.get(DATA, "")) / "images"
    return folder if os.environ.get(DATA) and folder.is_dir() else None


def _pictures(folder: Path | None, limit: int | None, fields: int) -> list["CleanPicture"]:
    """Return the real pictures of a folder, and simulated ones."""
    from napari_microenhance.evaluation.clean_pictures import simulated_pictures

    real = [] if folder is None else list(_read_folder(folder))
    found = [*_with_truth_first(real)[:limit], *simulated_pictures(fields)]
    if not found:
        raise OptionsError("There is nothing to evaluate on; give --images, or --fields above 0.")
    return found


def _with_truth_first(pictures: Sequence["CleanPicture"]) -> list["CleanPicture"]:
    """Return pictures, those whose foreground is known first: few as they are, all count."""
    return sorted(pictures, key=lambda picture: picture.labels is None)


def _read_folder(folder: Path) -> Iterator["CleanPicture"]:
    """Yield every channel of every image of a folder."""
    from napari_microenhance.evaluation.clean_pictures import CleanPicture, planes_of
    from napari_microenhance.images.image_formats import read_image

    if not folder.is_dir():
        raise FileMissingError(f"There is no folder {folder}.")
    for path in sorted(folder.iterdir()):
        stem, _, ending = path.name.partition(".")
        if path.suffix.lower() not in (".tif", ".tiff", ".png", ".jpg", ".jpeg"):
            continue
        if stem.endswith("_labels"):
            continue
        image = read_image(path)
        truth = path.with_name(f"{stem}_labels.{ending}")
        labels = read_image(truth, palette_indices=True).pixels if truth.exists() else None
        for name, plane in planes_of(stem, image.pixels, image.axes):
            if min(plane.shape) < SMALLEST:
                raise ImageError(f"{path} is less than {SMALLEST} px wide or high; leave it out.")
            if labels is not None and labels.shape != plane.shape:
                raise ImageError(f"{truth} has shape {labels.shape}, the image {plane.shape}.")
            yield CleanPicture(name, plane, labels)


def _command(names: Sequence[str], folder: Path | None, *, fields: int, quick: bool) -> str:
    """Return the command that would do the same; files and folders by their last names."""
    words = ["microenhance evaluate", *(Path(name).name for name in names)]
    if folder is not None:
        words.append(f"--images {folder.resolve().name}")
    words.append(f"--fields {fields}")
    return " ".join([*words, "--quick"] if quick else words)


def _versions() -> dict[str, str]:
    """Return the versions of what figures depend on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def _bm3d_remark() -> tuple[str, ...]:
    """Return the sentence that says why BM3D is not there, if it is not."""
    from napari_microenhance.evaluation.baselines import BM3D_MISSING, has_bm3d

    return () if has_bm3d() else (BM3D_MISSING,)


def _make_folder(folder: Path) -> None:
    """Make a folder, or raise."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be created: {error.strerror}.") from error


def _show(text: str) -> None:
    """Put a line over the one before, where somebody sees it."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text[:78]:<78}\r" if not text else f"\r{text[:78]:<78}")
        sys.stderr.flush()
