"""The page as a whole: what it says, that it stands alone, and that no gap in the run folder breaks it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from conceptmine.errors import InputError
from conceptmine.report import build_report

MakeRun = Callable[..., Path]
INLINE = {"a", "b", "i", "code", "sub", "sup"}
VOID = {"meta", "br", "img", "hr", "link", "input"}


class Page(HTMLParser):
    """Text, ids and links of a page; `problems` lists tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.problems: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        self.problems += self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            self.attributes.append((tag, name, value or ""))
            if name == "id":
                self.ids.append(value or "")
            if name == "href":
                self.links.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

        if tag not in INLINE:
            self.words.append(" ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(tag)
        if tag not in INLINE:
            self.words.append(" ")

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        """What a reader sees, every gap as one plain space."""
        return " ".join("".join(self.words).split())


@pytest.fixture(scope="module")
def html(full_run: Path) -> str:
    return build_report(full_run).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def change(run: Path, table: str, column: str, value: Any) -> None:
    """Overwrite a column of a table with one value."""
    old = pq.read_table(run / f"{table}.parquet")
    index = old.column_names.index(column)
    pq.write_table(old.set_column(index, column, pa.array([value] * len(old))), run / f"{table}.parquet")


def change_manifest(run: Path, **changes: Any) -> None:
    path = run / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def run(small_run: Path, tmp_path: Path) -> Path:
    """A copy of a small finished run that a test may spoil."""
    return Path(shutil.copytree(small_run, tmp_path / "run"))


def rebuilt(run: Path) -> Page:
    page = Page(build_report(run).read_text(encoding="utf-8"))
    assert page.problems == []
    return page


def test_the_result_is_told_in_words_first(page: Page) -> None:
    text = page.text
    assert "2 of 412 candidates survived every filter." in text
    assert "leads for a strong player's eye, not yet discoveries" in text
    assert text.index("survived every filter") < text.index("Ranking")


def test_the_funnel_stands_beside_the_paper(page: Page) -> None:
    for words in (
        "15 96.4 % removed",
        "6 60.0 % removed",
        "2 66.7 % removed",
        "2.4 % 97.6 % removed",
        "27.1 % of these",
    ):
        assert words in page.text


def test_it_says_what_was_run(page: Page) -> None:
    for words in (
        "Agent conceptmine-small",
        "Games 8 human, 8 machine",
        "78 roots, 615 in the pool",
        "800 simulations a position",
        "Seed 7",
        "Time 12 min 40 s",
        "9f2c" * 16,
        "torch 2.4.0",
        "solved 412, infeasible 17",
        "5 min 10 s",
    ):
        assert words in page.text, words


def test_files_go_by_their_names_and_keep_their_paths_in_the_title(run: Path) -> None:
    change_manifest(
        run,
        arguments={"agent": "/nets/BT4.pb.gz", "students": ["a/old.pb.gz", "ladder-01"], "human": "games/club.pgn.zst"},
        inputs={"agent": {"path": "/nets/BT4.pb.gz", "sha256": "9f2c" * 16}},
    )
    page = rebuilt(run)
    for words in ("Agent BT4 Students old and ladder-01", "Human games club.pgn.zst", "Inputs agent BT4 SHA-256"):
        assert words in page.text, words
    titles = {(tag, value) for tag, name, value in page.attributes if name == "title"}
    assert {
        ("dd", "/nets/BT4.pb.gz"),
        ("dt", "/nets/BT4.pb.gz"),
        ("dd", "a/old.pb.gz and ladder-01"),
        ("dd", "games/club.pgn.zst"),
    } <= titles


def test_a_plain_name_needs_no_title(html: str) -> None:
    assert "<dt>Agent</dt><dd>conceptmine-small</dd>" in html


def test_a_student_taken_against_the_rule_is_told(run: Path) -> None:
    words = "no network of the ladder met the 20 % rule"
    assert rebuilt(run).text.count(words) == 2  # the fourth and the eighth of the eight taught
    for unknown in (True, None):
        change(run, "concepts", "student_rule_met", unknown)
        assert words not in rebuilt(run).text
    old = pq.read_table(run / "concepts.parquet")
    pq.write_table(old.drop_columns(["student_rule_met"]), run / "concepts.parquet")
    assert words not in rebuilt(run).text


def test_it_warns_that_the_shipped_agent_is_small(page: Page, run: Path) -> None:
    assert "It cannot show knowledge beyond human play" in page.text
    change_manifest(run, arguments={"agent": "/networks/BT4.pb.gz"})
    assert "It cannot show knowledge beyond human play" not in rebuilt(run).text


def test_it_says_when_no_person_played_the_human_games(page: Page, run: Path) -> None:
    assert "No person played them" not in page.text
    change_manifest(run, arguments={"agent": "/networks/BT4.pb.gz", "human": None})
    without = rebuilt(run).text
    assert "No person played them" in without
    assert "Human games sampled from an imitation network" in without


def test_every_column_of_the_ranking_is_explained(html: str) -> None:
    heads = re.findall(r'<th scope="col"[^>]* title="([^"]+)">([^<]+)</th>', html)
    assert [head for _, head in heads][:4] == ["Rank", "Concept", "Passed", "Layer"]
    assert all(len(meaning) > 15 for meaning, _ in heads)
    legend = html.split('class="legend"')[1].split("</details>")[0]
    assert all(f"<dt>{head}</dt>" in legend for _, head in heads)


def test_the_ranking_is_cut_short_and_says_so(html: str, page: Page) -> None:
    assert html.count("<tr data-passed=") == 200
    assert "The first 200 of 412 candidates" in page.text


def test_the_best_twelve_have_cards_with_boards_and_plots(html: str, page: Page) -> None:
    cards = re.findall(r'<article class="card".*?</article>', html, re.S)
    assert len(cards) == 12
    for card in cards:
        assert card.count('class="chart"') == 5  # beside the controls, by ply, teaching, gain, novelty
        assert 6 + 1 <= card.count('class="board"') <= 6 + 3
        assert card.count('class="arrow best"') >= 7
        assert 'class="arrow subpar"' in card
    assert "Mined from these positions as well and 3 more" in page.text
    assert "6 of 30 prototypes" in page.text


def test_a_card_tells_its_numbers_in_sentences(page: Page) -> None:
    assert re.search(r"In unseen games it orders \d\d\.\d % of line pairs correctly \(mean over \d+ roots\)", page.text)
    assert re.search(r"agrees with the agent \d+\.\d points more often than one taught on random positions", page.text)
    assert re.search(r"A small network that imitates people gives the agent's move \d+ %", page.text)
    assert "so much of this may be no more than “this line is better”" in page.text


def test_lines_are_in_san_with_move_numbers(page: Page) -> None:
    assert re.search(r"Best line [+−]\d\.\d\d \d+\.(\.\.)? ?[KQRBNa-hO]", page.text)
    assert "Worse line" in page.text and "Weaker agent" in page.text


def test_controls_stand_beside_the_candidates(page: Page, html: str) -> None:
    chart = re.search(r'<figure class="yard">.*?</figure>', html, re.S)
    assert chart is not None
    for words in (
        "value head (value)",
        "material",
        "all candidates, median of 412",
        "supported candidates, median of 15",
    ):
        assert words in chart[0]


def test_it_stands_alone(html: str, page: Page) -> None:
    assert not re.search(r"https?://|//[a-z]+\.|url\(|@import|<link|<iframe|<img|<object", html)
    assert {name for _, name, _ in page.attributes}.isdisjoint({"src", "srcset", "data", "action", "onload", "onclick"})
    assert all(link.startswith("#") for link in page.links)
    assert "default-src 'none'" in html
    assert len(html.encode()) < 5_000_000


def test_ids_are_unique_and_every_link_leads_somewhere(page: Page) -> None:
    assert page.problems == []
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert {"white-king", "black-pawn", "squares", "concept-1", "concept-12"} <= set(page.ids)


def test_drawings_are_well_formed(html: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", html, re.S)
    assert len(drawings) > 300
    for drawing in drawings:
        ElementTree.fromstring(drawing)
        assert "nan" not in drawing.lower().replace("nantes", "")


def test_every_drawing_that_is_not_decoration_has_words(html: str) -> None:
    for tag in re.findall(r"<svg [^>]*>", html):
        assert 'aria-hidden="true"' in tag or re.search(r'role="img" aria-label="[^"]+"', tag), tag


def test_it_reads_without_scripts(html: str, page: Page) -> None:
    without = Page(re.sub(r"<script>.*?</script>", "", html, flags=re.S))
    assert without.text == page.text
    assert re.search(r'<div class="tools" hidden>', html)


def test_it_serves_light_dark_print_and_phone(html: str) -> None:
    for media in ("prefers-color-scheme: dark", "@media print", "max-width: 640px", "prefers-reduced-motion"):
        assert media in html


def test_the_same_tables_give_the_same_bytes(full_run: Path, tmp_path: Path, html: str) -> None:
    copy = Path(shutil.copytree(full_run, tmp_path / "another name"))
    assert build_report(copy).read_bytes() == html.encode()
    assert build_report(full_run).read_bytes() == html.encode()


def test_it_does_not_wait_for_its_own_stage(run: Path) -> None:
    before = build_report(run).read_bytes()
    stages = json.loads((run / "manifest.json").read_text())["stages"]
    change_manifest(run, stages=[*stages, {"name": "report", "state": "pending", "counts": {}, "seconds": 0.0}])
    assert build_report(run).read_bytes() == before


TABLES = [
    "games",
    "positions",
    "lines",
    "concepts",
    "prototypes",
    "heldout_plies",
    "teachability",
    "novelty",
    "controls",
]


@pytest.mark.parametrize("missing", TABLES)
def test_a_missing_table_is_no_reason_to_fail(run: Path, missing: str) -> None:
    (run / f"{missing}.parquet").unlink()
    page = rebuilt(run)
    assert "2 of 40 candidates survived every filter." in page.text
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)


@pytest.mark.parametrize("table", TABLES)
def test_an_empty_table_is_no_reason_to_fail(run: Path, table: str) -> None:
    path = run / f"{table}.parquet"
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    assert "2 of 40 candidates survived every filter." in rebuilt(run).text


@pytest.mark.parametrize("table", [name for name in TABLES if name != "games"])
def test_a_table_of_nothing_but_keys_is_no_reason_to_fail(run: Path, table: str) -> None:
    path = run / f"{table}.parquet"
    old = pq.read_table(path)
    pq.write_table(old.select([name for name in old.column_names if name.endswith("_id")][:1]), path)
    rebuilt(run)


def test_values_that_are_missing_show_as_a_dash(run: Path) -> None:
    old = pq.read_table(run / "concepts.parquet")
    columns = [
        column if name == "concept_id" else pc.if_else(pa.scalar(False), column, pa.scalar(None, column.type))
        for name, column in zip(old.column_names, old.columns, strict=True)
    ]
    pq.write_table(pa.table(columns, old.column_names), run / "concepts.parquet")
    page = rebuilt(run)
    assert "None" not in page.text and "nan" not in page.text.split()


def test_not_a_number_is_treated_as_missing(run: Path) -> None:
    for column in ("null_p", "heldout_satisfaction", "l1", "novelty_min", "teach_gain"):
        change(run, "concepts", column, float("nan"))
    change(run, "novelty", "score", float("nan"))
    change(run, "heldout_plies", "satisfied", float("inf"))
    page = rebuilt(run)
    assert "Not tested on unseen games ply by ply." in page.text
    assert "Not compared with human games." in page.text


def test_a_run_without_candidates(make_run: MakeRun, tmp_path: Path) -> None:
    page = rebuilt(make_run(tmp_path / "run", candidates=0, taught=0, supported=0, teachable=0, novel=0))
    assert "This run produced no candidate concepts." in page.text
    assert "ranking" not in page.ids and "concepts" not in page.ids


def test_a_run_in_which_nothing_was_taught(make_run: MakeRun, tmp_path: Path) -> None:
    page = rebuilt(make_run(tmp_path / "run", candidates=60, taught=0, teachable=0, novel=0))
    assert "15 of 60 candidates passed the one filter that was run." in page.text
    assert page.text.count("Not taught: only the best candidates are.") == 12
    assert "– not tested" in page.text


def test_a_null_run_carries_a_banner(make_run: MakeRun, tmp_path: Path) -> None:
    page = rebuilt(make_run(tmp_path / "run", candidates=40, null=True, taught=0, supported=0, teachable=0, novel=0))
    assert "This is a null run." in page.text
    assert "0 of 40 candidates survived every filter." in page.text
    assert "As it should be" in page.text


def test_an_unfinished_run_says_so_and_counts_what_there_is(run: Path) -> None:
    stages = json.loads((run / "manifest.json").read_text())["stages"]
    stages[-1]["state"] = "pending"
    change_manifest(run, stages=stages, candidates=0, supported=0, teachable=0, novel=0)
    page = rebuilt(run)
    assert "This run is not finished. Not done: ranking (pending)" in page.text
    assert "2 of 40 candidates survived every filter." in page.text


def test_a_manifest_with_nothing_in_it(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    page = rebuilt(tmp_path)
    assert "This run produced no candidate concepts." in page.text
    assert "The manifest lists no stages." in page.text


HOSTILE = "<script>alert('x')</script>\"><b>&amp;"


def test_everything_from_outside_is_escaped(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", candidates=3, taught=3, supported=1, teachable=1, novel=1, agent=HOSTILE)
    for table, column in (
        ("concepts", "layer"),
        ("concepts", "kind"),
        ("concepts", "players"),
        ("concepts", "student"),
        ("prototypes", "split"),
        ("controls", "name"),
        ("games", "corpus"),
        ("positions", "weaker_move"),
    ):
        change(run, table, column, HOSTILE)
    change_manifest(
        run,
        versions={HOSTILE: HOSTILE},
        inputs={HOSTILE: {"path": HOSTILE, "sha256": HOSTILE}},
        stages=[{"name": HOSTILE, "state": HOSTILE, "counts": {HOSTILE: 1}, "seconds": 1.0}],
    )
    html = build_report(run).read_text(encoding="utf-8")
    page = Page(html)
    assert html.count("<script>") == 1 and html.count("<b>&amp;amp;") == 0
    assert page.problems == []
    assert HOSTILE in "".join(page.words)


def test_concept_names_are_escaped_and_make_no_ids(run: Path) -> None:
    for table in ("concepts", "prototypes"):
        change(run, table, "concept_id", HOSTILE)
    page = rebuilt(run)
    assert f"Concept {HOSTILE}" in "".join(page.words)
    assert not any("script" in name for name in page.ids)


def test_a_position_that_cannot_be_shown_is_named(run: Path) -> None:
    change(run, "positions", "fen", "no position")
    assert re.search(r"Position g\d+-\d+ cannot be shown", rebuilt(run).text)


def test_an_illegal_line_is_named(run: Path) -> None:
    change(run, "lines", "best_line", "e2e5")
    assert re.search(r"Position g\d+-\d+ cannot be shown: illegal uci", rebuilt(run).text)


def test_a_folder_that_holds_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not a run folder: it has no manifest\.json"):
        build_report(tmp_path)


@pytest.mark.parametrize("content", ["{", "[1]", '"text"'])
def test_a_manifest_that_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=r"manifest\.json"):
        build_report(tmp_path)


def test_a_broken_table_leaves_the_old_page(run: Path) -> None:
    before = build_report(run).read_bytes()
    (run / "novelty.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match=r"novelty\.parquet"):
        build_report(run)
    assert (run / "report.html").read_bytes() == before
    assert not list(run.glob(".report*"))
