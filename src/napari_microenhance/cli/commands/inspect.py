"""`inspect`: what a network wants, gives, and how it tiles, on one screen."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from napari_microenhance.cli.terminal import one_line, say, show
from napari_microenhance.engine.options import CHOICES
from napari_microenhance.errors import OptionsError

LABEL_WIDTH = 16


def inspect_model(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Built-in model, .onnx or .czann file, or BioImage.IO package.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    provider: Annotated[
        str, typer.Option(metavar="NAME", help="Also check whether this provider works.")
    ] = "auto",
    nodes: Annotated[
        bool, typer.Option("--nodes", help="Also list which provider runs which operators.")
    ] = False,
) -> None:
    """Show a model's input, output and tiling, as measured."""
    from napari_microenhance.api import load_model
    from napari_microenhance.models.summary import summarise

    if provider not in CHOICES["provider"]:
        raise OptionsError(f"provider={provider!r} is not one of {', '.join(CHOICES['provider'])}.")
    network = load_model(model)
    facts = summarise(network, provider)
    if nodes:
        facts["nodes"] = {
            word: dict(Counter(kinds).most_common())
            for word, kinds in network.assignment(facts["provider"]["got"]).items()
        }
    if as_json:
        show(json.dumps(facts, indent=2))
        return
    say(f"{facts['name']} ({facts['source']})")
    for label, text in _lines(facts):
        show(f"{label:<{LABEL_WIDTH}} {one_line(text)}")


def _lines(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is worth a line: its label and the text."""
    yield "Input", _input(facts)
    yield "Output", _output(facts)
    rules = [size["rule"] for size in facts["size"]]
    rule = rules[0] if len(set(rules)) == 1 and not facts["size"][0]["fixed"] else " x ".join(rules)
    yield "Sizes", "any" if rule == "any" else f"{rule} px"
    yield "Receptive field", _reach(facts)
    if facts["tile"] is None:
        yield "Tile", facts["no_tile"]
    else:
        tile = " x ".join(map(str, facts["tile"]))
        yield "Tile", f"{tile} px on a large image, tile efficiency {facts['useful']:.0%}"
    yield "Runs on", _runs_on(facts)
    for word, kinds in facts.get("nodes", {}).items():
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        yield f"  {word}", counts
    yield (
        "Memory",
        f"{facts['bytes_per_pixel']:,.0f} bytes per px; {facts['parameters']:,} parameters, "
        f"opset {facts['opset']}",
    )
    for label in ("licence", "citation"):
        if facts[label]:
            yield label.capitalize(), " ".join(facts[label].split())
    for finding in sorted(facts["findings"], key=lambda f: f["severity"] != "caution"):
        yield "Caution" if finding["severity"] == "caution" else "Note", finding["sentence"]
    for remark in facts["provider"]["remarks"]:
        yield "Caution", remark


def _input(facts: dict[str, Any]) -> str:
    """Return the input in words."""
    given = facts["input"]
    low, high = given["value_range"]
    batch = f", always {given['batch']} at a time" if (given["batch"] or 1) > 1 else ""
    further = "".join(f", {name} = {value:g}" for name, value in given["further"].items())
    rule = f", normalised by {given['intensity']}" if given["intensity"] else ""
    order = ", blue first" if facts["colour_order"] == "bgr" else ""
    extra = (
        f" (the last {facts['extra_channels']} not part of the image)"
        if facts["extra_channels"]
        else ""
    )
    what = f"{_channels(given['channels'])}{extra}{order}, {given['dtype']}"
    return f"{what}, {low:g} to {high:g}{rule}, {given['axes']}{batch}{further}"


def _output(facts: dict[str, Any]) -> str:
    """Return the output in words."""
    out = facts["output"]
    kind = "labels from" if facts["task"] == "labels" else ""
    size = "same size" if facts["scale"] == 1 else f"{facts['scale']:g} times the size"
    before, after = facts["border_loss"]
    lost = (
        f", cropped by {before} px before and {after} px after each axis" if before or after else ""
    )
    what = f"{kind} {_channels(out['channels'])}".strip()
    own = ", brightness not comparable with the image's" if out["units"] == "relative" else ""
    low, high = out["value_range"]
    differs = facts["task"] == "image" and out["value_range"] != facts["input"]["value_range"]
    values = f", {low:g} to {high:g}" if differs else ""
    return f"{what}, {size}{lost}{values}, {out['axes']}{own}"


def _channels(count: int) -> str:
    """Return a number of channels in words."""
    return f"{count} channel{'s' * (count != 1)}"


def _reach(facts: dict[str, Any]) -> str:
    """Return reach and halo in words."""
    if facts["coupling"] == "numbers":
        return "the whole image; seam-free (whole-image statistics)"
    if facts["radius"] == "global":
        return f"the whole tile; tiles overlap by {2 * (facts['halo'] or 0)} px and are blended"
    step = facts["shift_step"]
    starts = f", tiles start at multiples of {step} px" if step > 1 else ""
    return f"{facts['radius']} px, halo {facts['halo']} px{starts}"


def _runs_on(facts: dict[str, Any]) -> str:
    """Return the provider in words."""
    provider = facts["provider"]
    parity = provider["parity"] or {}
    twin = ", int8 version available" if facts["int8_twin"] else ""
    text = f"{provider['got']} ({facts['runtime']}) in {facts['precision']}{twin}"
    if parity.get("max_difference") is not None:
        text += f", {parity['max_difference']:.1e} of the range from the CPU"
    return text
