"""The report: one self-contained page that tells what a run found, to a reader who has not seen the paper.

`build_report` reads the tables of a run folder and writes `report.html` beside them.
"""

from conceptmine.report.page import build_report

__all__ = ["build_report"]
