"""A process that does items, one after the other; started by `processes` as a program.

It reads pickled values from stdin and writes pickled answers to stdout: first the function that
makes the work and its setup, then numbered items. The end of stdin means to stop.
"""

import logging
import os
import pickle
import queue
import signal
import sys
import threading
import warnings
from typing import IO

from napari_microenhance.errors import Cancelled

__all__ = ["serve"]


def serve(reading: IO[bytes], writing: IO[bytes]) -> None:
    """Do what is asked until nothing more comes.

    Parameters
    ----------
    reading, writing : binary file
    """
    stop = threading.Event()
    items: queue.Queue[tuple[int, object] | None] = queue.Queue()

    def hear() -> None:
        while True:
            try:
                items.put(pickle.load(reading))
            except (EOFError, OSError, pickle.UnpicklingError):
                break
        stop.set()
        items.put(None)

    def say(number: int, value: object, *, is_last: bool) -> None:
        writing.write(pickle.dumps((number, value, is_last)))
        writing.flush()

    make, setup = pickle.load(reading)
    threading.Thread(target=hear, daemon=True).start()
    work = None
    while (asked := items.get()) is not None:
        number, item = asked
        try:
            work = work or make(setup)
            found = work(item, lambda value, of=number: say(of, value, is_last=False), stop.is_set)
            say(number, found, is_last=True)
        except Cancelled:
            return
        except BrokenPipeError:  # whoever asked is gone
            return


def _main() -> None:
    """Serve, with what libraries print kept out of the answers."""
    if hasattr(signal, "SIGINT"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Files of our own: Python ends in an abort where a thread still reads its stdin.
    reading, writing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    serve(reading, writing)


if __name__ == "__main__":
    _main()
