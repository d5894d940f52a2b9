"""Train pix2pix on two folders, with frozen and instance norms: python tools/pix2pix_example.py

Needs the extra `train`. One folder holds simulated fields in uneven light, the other the same
fields as a perfect microscope shows them. The template's network is trained on them twice and
exported, and a region of a larger image enhanced; what is printed stands in docs/pix2pix.md.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile
import yaml

from napari_microenhance import Options, enhance, load_model
from napari_microenhance.engine.source import reflect
from napari_microenhance.simulation.optics import Degradation, degrade
from napari_microenhance.simulation.specimens import simulate

STAR = np.array([(0.1, 0.15), (0.25, 0.5), (0.6, 0.8), (0.8, 0.3), (0.45, 0.35)])


def field(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a field in uneven light and as it is, both uint8."""
    truth = simulate("membranes", size, rng).image
    how = Degradation(
        blur=1.2,
        vignette=rng.uniform(0.2, 0.6),
        tilt=tuple(rng.uniform(-0.6, 0.6, 2)),
        exposure=rng.uniform(0.5, 1.1),
        photons=400,
        bits=8,
    )
    return tuple(
        np.rint(np.clip(x, 0, 1) * 255).astype(np.uint8) for x in (degrade(truth, how, rng), truth)
    )


def command(*words: object) -> None:
    """Run the command line of this package."""
    line = [sys.executable, "-m", "napari_microenhance", *map(str, words)]
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)


def recipe(folder: Path, norm: str, steps: int) -> Path:
    """Write the template's recipe for two folders."""
    path = folder / f"{norm}.yaml"
    content = {
        "name": f"pix2pix-{norm}",
        "task": "image",
        "network": {"kind": "pix2pix-unet", "width": 16, "depth": 5, "norm": norm, "dropout": 0.0},
        "data": {"pairs": {"inputs": "uneven", "targets": "even", "intensity": "dtype"}},
        "loss": {
            "l1": 100.0,
            "adversarial": {
                "weight": 1.0,
                "objective": "bce",
                "conditional": True,
                "discriminator": {"kind": "patchgan", "width": 16, "layers": 3},
            },
        },
        "training": {
            "steps": steps,
            "batch": 4,
            "patch": 128,
            "rate": 5.0e-4,
            "betas": [0.5, 0.999],
        },
        "export": {"units": "input", "intensity": "dtype"},
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    """Return the PSNR of 8-bit images, dB."""
    error = np.mean((image.astype(np.float64) - truth) ** 2)
    return float(10 * np.log10(255**2 / error))


def one_call(model: object, image: np.ndarray) -> np.ndarray:
    """Return the network's answer to the whole image in one call, in grey levels."""
    import onnxruntime

    low, high = model.spec.value_range
    lengths = [rule.round_up(n) for rule, n in zip(model.spec.size, image.shape, strict=True)]
    rows, columns = (reflect(0, n, m) for n, m in zip(lengths, image.shape, strict=True))
    tensor = image[rows][:, columns].astype(np.float32) / 255 * (high - low) + low
    session = onnxruntime.InferenceSession(model.path)
    name = session.get_inputs()[0].name
    found = session.run(None, {name: tensor[None, None]})[0].squeeze()
    low, high = model.spec.output_range
    return ((found - low) / (high - low) * 255)[: image.shape[0], : image.shape[1]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--edge", type=int, default=1000, help="edge of the enhanced image in px")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for sub in ("uneven", "even"):
            (folder / sub).mkdir()
        for number in range(args.pairs):
            for sub, pixels in zip(("uneven", "even"), field(256, rng), strict=True):
                tifffile.imwrite(folder / sub / f"field{number:03d}.tif", pixels)
        image, truth = field(args.edge, np.random.default_rng(99))
        roi = [STAR * args.edge]
        print(f"{args.pairs} pairs of 256 x 256 px, {args.steps} steps; image {args.edge} px")
        print(f"as taken: {psnr(image, truth):.2f} dB")
        for norm in ("batch", "instance"):
            command("train", recipe(folder, norm, args.steps), "--out", folder / norm)
            command("export", folder / norm, folder / f"{norm}.onnx")
            model = load_model(folder / f"{norm}.onnx")
            floats = Options(dtype="float32")
            whole = enhance(image, model, options=floats)
            plan = whole.report.to_dict()["plan"]
            region = enhance(image, model, roi=roi, options=floats)
            inside = region.pixels != image
            expected = one_call(model, image)
            apart = Options(dtype="float32", statistics="tile", tile=256)
            blended = enhance(image, model, options=apart)
            print(f"{norm} norm: radius {model.spec.radius}, statistics {plan['statistics']}")
            print(f"  enhanced: {psnr(np.clip(whole.pixels, 0, 255), truth):.2f} dB")
            print(
                f"  tiles, whole: {np.abs(whole.pixels - expected).max():.4f} grey levels "
                "from one call"
            )
            print(f"  tiles, region: {np.abs(region.pixels - expected)[inside].max():.4f}")
            print(
                f"  blended: {np.abs(blended.pixels - expected).max():.2f} in "
                f"{blended.report.plan['tiles']} tiles",
                flush=True,
            )


if __name__ == "__main__":
    main()
