"""`models`: the networks that can be named."""

import dataclasses
import json
from typing import Annotated

import typer

from napari_microenhance.cli.terminal import say, show


def show_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """List the available models, with their cards."""
    from napari_microenhance.models import list_models

    found = list_models()
    if as_json:
        rows = [{**dataclasses.asdict(info), "path": str(info.path)} for info in found]
        show(json.dumps(rows, indent=2))
        return
    for info in found:
        words = [word for word in ("default", "int8") if getattr(info, word)]
        remark = f" ({', '.join(words)})" if words else ""
        say(f"{info.name}{remark}: {info.summary}")
