"""The record of a run on disk, in open formats.

A run folder holds ``manifest.json`` (what was asked, with which versions and inputs, and how far it has come), Parquet
tables, safetensors arrays, and a ``scratch`` folder that disappears when the run is complete. Every file is written
atomically, one process at a time may work in the folder, and a stage counts as done only after all its files are on
disk: a run killed at any moment goes on from its last complete stage. `RunFolder` is the way in; `schemas` holds the
columns of each table.
"""

from conceptmine.runfolder import schemas
from conceptmine.runfolder.atomic import atomic_folder, atomic_path, write_bytes
from conceptmine.runfolder.folder import RunFolder
from conceptmine.runfolder.manifest import InputFile, Manifest, StageRecord, file_checksum, read_manifest
from conceptmine.runfolder.tables import read_arrays, read_rows, read_table, write_arrays, write_rows

__all__ = [
    "InputFile",
    "Manifest",
    "RunFolder",
    "StageRecord",
    "atomic_folder",
    "atomic_path",
    "file_checksum",
    "read_arrays",
    "read_manifest",
    "read_rows",
    "read_table",
    "schemas",
    "write_arrays",
    "write_bytes",
    "write_rows",
]
