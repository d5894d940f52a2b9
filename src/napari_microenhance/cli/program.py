"""The program around the commands: one line for every mistake, and an exit status."""

import errno
import functools
import inspect
import logging
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

import typer

import napari_microenhance
from napari_microenhance.cli.commands import COMMANDS
from napari_microenhance.cli.failures import (
    EXIT_CANCELLED,
    fail,
    fail_unexpectedly,
)
from napari_microenhance.cli.terminal import interruptible, say, stdout_error, terminable
from napari_microenhance.errors import Cancelled, MicroEnhanceError
from napari_microenhance.files import reason

__all__ = ["app", "main", "run"]

# Typer used to build on click and now carries its own copy: what both call a
# ClickException is not public in one of them, but a base of this class in both.
_USAGE_ERRORS: Any = typer.BadParameter.__mro__[2]

_OF_A_NAME: Final = (errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM)
"""What makes any look at a path fail, wherever that is."""

_DEBUG = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of an unexpected failure.")
]

app = typer.Typer(
    help="Enhance a drawn region of a microscope image with any ONNX model.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line and leave with its exit status."""
    for stream in (sys.stdout, sys.stderr):
        # A file's name need not be text of the terminal's encoding, or of any.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str
        Without the program's own name.

    Returns
    -------
    int
        0 done; 2 the user can mend it, one line on stderr says how; 70 an unexpected failure,
        one line says where its log is; 130 cancelled.
    """
    try:
        with terminable():
            return _run(arguments)
    except (Cancelled, KeyboardInterrupt, typer.Abort) as error:
        kept = error.kept if isinstance(error, Cancelled) else ""
        return fail(f"Cancelled; {kept or 'nothing was written'}.", EXIT_CANCELLED)
    except MicroEnhanceError as error:
        return fail(f"Error: {error}")
    except MemoryError:
        return fail("Error: there is not enough memory; use a smaller ROI, or --memory and --tile.")
    except _USAGE_ERRORS as error:
        help_command = " ".join(["microenhance", *_command_name(arguments), "--help"])
        return fail(f"Error: {error.format_message().rstrip('.')}; see {help_command}.")
    except Exception as error:  # noqa: BLE001 - the edge: nothing is above it
        if isinstance(error, OSError) and "--help" in arguments:  # typer wrote that
            return fail(f"Error: {stdout_error(error)}")
        if isinstance(error, OSError) and error.errno in _OF_A_NAME and error.filename:
            return fail(f"Error: {error.filename} cannot be used: {reason(error)}.")
        return fail_unexpectedly(error, arguments, debug="--debug" in arguments)


def _run(arguments: Sequence[str]) -> int:
    """Run the command line; what goes wrong is raised."""
    # Libraries' own remarks would stand beside the one line that explains a mistake.
    logger = logging.getLogger("tifffile")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    command = typer.main.get_command(app)
    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
        status = command.main(args=list(arguments), prog_name="microenhance", standalone_mode=False)
    return status if isinstance(status, int) else 0


def _command_name(arguments: Sequence[str]) -> list[str]:
    """Return the command that was meant, if it exists."""
    return [argument for argument in arguments[:1] if argument in COMMANDS]


def _print_version(wanted: bool) -> None:
    """Print the version and leave."""
    if wanted:
        say(str(napari_microenhance.__version__))
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
    debug: _DEBUG = False,
) -> None:
    """Enhance a drawn region of a microscope image with any ONNX network."""


def _prepared(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command what all have: an ear for Ctrl-C, and the option --debug."""

    @functools.wraps(function)
    def command(*, debug: bool = False, **values: Any) -> None:  # noqa: ANN401 - of any command
        with interruptible():
            function(**values)

    own = inspect.signature(function)
    keyword = inspect.Parameter.KEYWORD_ONLY
    option = inspect.Parameter("debug", keyword, default=False, annotation=_DEBUG)
    # Typer reads the signature and nothing else.
    command.__signature__ = own.replace(  # type: ignore[attr-defined]
        parameters=[*own.parameters.values(), option]
    )
    return command


for _name, _function in COMMANDS.items():
    app.command(_name)(_prepared(_function))
