"""The network runtime: the only place that imports onnxruntime, which tells nobody of it."""

import os

# From version 1.32 on, onnxruntime writes a device id and a queue of events into the user's cache
# and looks up a host, unless this stands there before it is imported; asking it later is too late.
# Who wants that sets the variable to 0. Processes that are started from here inherit it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
