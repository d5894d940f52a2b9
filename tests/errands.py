"""What workers do in tests: a module of its own, since they import it by name."""

import os
import signal
import sys
import time

from napari_microenhance.errors import Cancelled


def make(setup):
    """Return what the tests' workers do."""

    def work(item, tell, should_stop):
        if item == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if item == "leave":
            sys.exit(3)
        sys.stdout.write("a library talks")
        os.write(1, b"and so does its native part\n")
        tell(f"{setup}: {item}")
        while item == "wait":
            if should_stop():
                raise Cancelled
            time.sleep(0.01)
        return os.getpid(), item

    return work
