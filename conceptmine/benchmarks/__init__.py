"""Benchmarks: how much of a known truth a mining method finds, and how much of what it finds is true.

`bench_planted` plants directions in real activations, lets every method mine them under equal budgets, and judges what
it gives by the project's own evidence (`PlantedResult`); `sheets_of`, `as_rich`, `page_of` and `picture_of` show
it. `bench_motif` does the same with a network that was taught to prefer one motif, against its own earlier self.
"""

from conceptmine.benchmarks.motif_bench import MotifResult, bench_motif
from conceptmine.benchmarks.motifs import MOTIFS
from conceptmine.benchmarks.planted import bench_planted
from conceptmine.benchmarks.plot import picture_of
from conceptmine.benchmarks.results import PlantedResult
from conceptmine.benchmarks.settings import MotifSettings, PlantedSettings, motif_settings, planted_settings
from conceptmine.benchmarks.tables import Sheet, as_markdown, as_rich, motif_sheets, page_of, sheets_of

__all__ = [
    "MOTIFS",
    "MotifResult",
    "MotifSettings",
    "PlantedResult",
    "PlantedSettings",
    "Sheet",
    "as_markdown",
    "as_rich",
    "bench_motif",
    "bench_planted",
    "motif_settings",
    "motif_sheets",
    "page_of",
    "picture_of",
    "planted_settings",
    "sheets_of",
]
