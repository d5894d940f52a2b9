"""Records: what a result carries about its run, and the ways back from it.

A record is read and checked, turned into the run again, or put into words.
"""

from napari_microenhance.records.differences import RecordMismatchError
from napari_microenhance.records.methods import methods_text
from napari_microenhance.records.record import Record
from napari_microenhance.records.recorded import RecordError
from napari_microenhance.records.scripts import command_line, python_code

__all__ = [
    "Record",
    "RecordError",
    "RecordMismatchError",
    "command_line",
    "methods_text",
    "python_code",
]
