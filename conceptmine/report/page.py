"""Writing the page."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

import jinja2
from markupsafe import Markup

from conceptmine.errors import InputError
from conceptmine.report import figures, findings, steered, view
from conceptmine.report.boards import sprite
from conceptmine.report.data import RunData, read_run
from conceptmine.report.wording import THIN, grouped, several
from conceptmine.runfolder import write_bytes

CARDS = 12
"""Concepts shown with boards and plots."""

TABLE_ROWS = 200
"""Rows of the ranking table; a page with thousands would be slow, and the Parquet table has them all."""


def build_report(run_dir: Path) -> Path:
    """Write `report.html` into a run folder and return its path.

    The page is one file with everything in it (style, boards, plots) and needs no network. Besides the tables it shows
    the manifest, with the wall time of each stage and the paths of the inputs: the same folder gives the same bytes,
    and the page of a resumed run differs from that of an unbroken one in the times. Tables that are missing or empty
    are told as such. The file appears whole or not at all.

    Raises InputError if the folder is no run folder or one of its tables cannot be read.
    """
    run = read_run(run_dir, detailed=CARDS)
    path = run_dir / "report.html"
    page = render(run, has_puzzles=(run_dir / "puzzles.csv").is_file())
    try:
        write_bytes(path, page.encode())
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; make the folder writable") from error
    return path


def render(run: RunData, *, has_puzzles: bool) -> str:
    """The page as HTML."""
    counts = findings.count(run)
    cards = view.cards(run, CARDS)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            style=Markup(_template("style.css")),
            script=Markup(_template("script.js.j2")),
            sprite=sprite(),
            run=run,
            counts=counts,
            headline=findings.headline(counts, null_run=findings.is_null_run(run.manifest)),
            reach=findings.reach(run, counts),
            warnings=findings.warnings(run.manifest),
            sampled_humans=findings.has_sampled_humans(run.manifest),
            shipped=findings.is_shipped_agent(run.manifest),
            funnel=findings.funnel(counts),
            facts=view.facts(run),
            columns=view.COLUMNS,
            rows=view.table(run.concepts, len(cards), TABLE_ROWS),
            cards=cards,
            steered=steered.concepts(run),
            yardsticks=figures.yardsticks(run.controls, run.concepts),
            p_values=figures.p_values(run.concepts),
            satisfactions=figures.satisfactions(run.concepts),
            objectives=figures.objectives(run.concepts),
            arguments=view.arguments(run.manifest),
            stages=view.stages(run.manifest),
            inputs=view.inputs(run.manifest),
            versions=view.versions(run.manifest),
            has_puzzles=has_puzzles,
        )
    )


@cache
def _environment() -> jinja2.Environment:
    """The templates, compiled once."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"grouped": grouped, "several": several, "share": lambda value: f"{100 * value:.3g}{THIN}%"}
    return environment


def _template(name: str) -> str:
    return resources.files("conceptmine.report").joinpath(name).read_text(encoding="utf-8")
