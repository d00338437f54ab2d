"""What a campaign measures: a row a round in ``metrics.csv``, and live in TensorBoard where that is installed.

The columns are the fields of `Round` and are defined nowhere else.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from engines.networks.whole_files import write_whole

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

METRICS_FILE = "metrics.csv"
TENSORBOARD_FOLDER = "tensorboard"

# Where TensorBoard shows a metric.
_CAMPAIGN, _LEARNING, _GAMES, _ENDINGS, _RESIGNATION = (
    {"group": name} for name in ("campaign", "learning", "games", "endings", "resignation")
)


@dataclass(frozen=True, kw_only=True)
class Round:
    """What was measured in one round of a campaign.

    None: there was nothing to measure, or the version that played the round did not measure it.  Shares are from 0 to
    1.  Of a round are the games that ended in it, with all their plies, and the steps of learning that followed them,
    and of a leg's first round those that the leg before had no time for; losses are means over the positions of these
    steps.

    Attributes:
        round: its number, from 1.
        positions: played since the campaign began, in plies of finished games.
        games: finished since the campaign began.
        evaluations: positions that the network has evaluated for play since the campaign began.
        seconds: that the campaign has run, wall clock, without the pauses between its legs.
        playing_seconds: of this round, spent on playing.
        learning_seconds: of this round, spent on learning; both at once count for both.
        evaluations_per_second: of this round's play.
        steps: of the optimiser since the campaign began.
        learning_rate: of the round's last step.
        policy_loss: cross-entropy of policy and target, nats.
        value_loss: cross-entropy of win, draw and loss and their target, nats.
        moves_left_loss: Huber loss of the plies left, in units of 20 plies.
        policy_entropy: of the policy's targets, nats: what `policy_loss` cannot fall below.
        policy_kl: `policy_loss` less `policy_entropy`, nats: what the network does not know yet.
        value_accuracy: share of positions in which the most probable of win, draw and loss is the game's result.
        drawn: share of games.
        plies: mean of a game.
        white_score: mean of White's points of a game: 1 for a win, ½ for a draw.
        mated: share of games that ended so, as are the next six, which are 1 together.
        stalemate: no legal move, and no check.
        repeated: a position stood for the third time.
        fifty_moves: without capture or pawn move.
        insufficient: material to mate.
        too_long: as many plies as a game may have; drawn, or awarded for material.
        resigned: given up by a side.
        resign_threshold: value of the search below which a side resigns from this round on; None: nobody may.
        resign_checked: how many of the newest games that were played on, to check, had a side below that threshold.
        resign_false_positives: share of these in which that side did not lose.
    """

    round: int = field(metadata=_CAMPAIGN)
    positions: int = field(metadata=_CAMPAIGN)
    games: int = field(metadata=_CAMPAIGN)
    evaluations: int | None = field(metadata=_CAMPAIGN)
    seconds: float = field(metadata=_CAMPAIGN)
    playing_seconds: float | None = field(metadata=_CAMPAIGN)
    learning_seconds: float | None = field(metadata=_CAMPAIGN)
    evaluations_per_second: float | None = field(metadata=_CAMPAIGN)
    steps: int = field(metadata=_LEARNING)
    learning_rate: float | None = field(metadata=_LEARNING)
    policy_loss: float | None = field(metadata=_LEARNING)
    value_loss: float | None = field(metadata=_LEARNING)
    moves_left_loss: float | None = field(metadata=_LEARNING)
    policy_entropy: float | None = field(metadata=_LEARNING)
    policy_kl: float | None = field(metadata=_LEARNING)
    value_accuracy: float | None = field(metadata=_LEARNING)
    drawn: float | None = field(metadata=_GAMES)
    plies: float | None = field(metadata=_GAMES)
    white_score: float | None = field(metadata=_GAMES)
    mated: float | None = field(metadata=_ENDINGS)
    stalemate: float | None = field(metadata=_ENDINGS)
    repeated: float | None = field(metadata=_ENDINGS)
    fifty_moves: float | None = field(metadata=_ENDINGS)
    insufficient: float | None = field(metadata=_ENDINGS)
    too_long: float | None = field(metadata=_ENDINGS)
    resigned: float | None = field(metadata=_ENDINGS)
    resign_threshold: float | None = field(metadata=_RESIGNATION)
    resign_checked: int | None = field(metadata=_RESIGNATION)
    resign_false_positives: float | None = field(metadata=_RESIGNATION)


COLUMNS = tuple(column.name for column in fields(Round))
_KINDS: dict[str, Any] = get_type_hints(Round)
_REQUIRED = tuple(name for name in COLUMNS if not get_args(_KINDS[name]))  # the others may be None


class Metrics:
    """``metrics.csv`` of the campaign in ``folder``, with the rows up to round number ``rounds``.

    Rows of later rounds belong to games that a kill has lost, and are dropped, as is a last line that was cut off.
    Files with fewer columns are rewritten with all of them, empty where nothing is known.  Where TensorBoard is
    installed, ``folder/tensorboard`` receives the same numbers, over positions.

    Raises ``ValueError`` when the file is damaged.
    """

    def __init__(self, folder: Path, rounds: int) -> None:
        self._path = folder / METRICS_FILE
        known = read_metrics(self._path) if self._path.exists() else []
        kept = [row for row in known if row.round <= rounds]
        write_whole(self._path, (_lines([COLUMNS]) + _lines(map(_cells, kept))).encode())
        self._live = _Live(folder / TENSORBOARD_FOLDER, kept) if find_spec("tensorboard") else None

    def add(self, row: Round) -> None:
        """Append a round."""
        # One write of a whole line: readers see all of it or, after a power cut, a last line that is cut off.
        with self._path.open("a", newline="", encoding="utf-8") as file:
            file.write(_lines([_cells(row)]))
        if self._live is not None:
            self._live.add(row)
            self._live.flush()

    def close(self) -> None:
        """End the thread that writes for TensorBoard."""
        if self._live is not None:
            self._live.close()


class _Live:
    """Scalars for TensorBoard: the rounds of ``metrics.csv``, whoever played them, and those that follow.

    All of them are written anew, since earlier legs may have run where TensorBoard is not installed.
    """

    def __init__(self, folder: Path, rows: list[Round]) -> None:
        # Slow, and only where it can be used.
        from torch.utils.tensorboard import SummaryWriter

        for old in folder.glob("events.out.tfevents.*"):
            # A TensorBoard that is looking on may be reading the newest one, and would wait for it if it were gone.
            if old.stat().st_size:
                old.write_bytes(b"")
            else:
                old.unlink()
        # What it has read of the old files, the purge makes it forget.
        self._writer: SummaryWriter = SummaryWriter(str(folder), max_queue=1000, purge_step=0)
        # Its relative axis then shows the campaign's time without pauses.
        self._began = time.time() - (rows[-1].seconds if rows else 0.0)
        for row in rows:
            self.add(row)
        self.flush()

    def add(self, row: Round) -> None:
        values = asdict(row)
        for column in fields(Round):
            value = values[column.name]
            if value is not None and column.name != "positions":
                tag = f"{column.metadata['group']}/{column.name}"
                self._writer.add_scalar(tag, value, row.positions, walltime=self._began + row.seconds)

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def read_metrics(path: Path) -> list[Round]:
    """The rounds of a ``metrics.csv`` in their order, also of one that is being written or has fewer columns.

    A last line without its end was cut off, and is left out.

    Raises ``ValueError`` when the file is missing or damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ValueError(f"there is no {path.name} in {path.parent}: give the state folder of a campaign") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is damaged: it is not text") from None
    whole_lines = text[: text.rfind("\n") + 1]
    try:
        lines = list(csv.reader(io.StringIO(whole_lines, newline="")))
    except csv.Error as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    if not lines:
        return []
    header = lines[0]
    for name in header:
        if name not in COLUMNS or header.count(name) > 1:
            raise ValueError(f"{path} is no metrics file that is known here: its first line names {name[:40]!r}")
    for name in _REQUIRED:
        if name not in header:
            raise ValueError(f"{path} is no metrics file that is known here: its first line does not name {name}")
    rounds: list[Round] = []
    for number, cells in enumerate(lines[1:], start=2):
        where = f"{path} is damaged: line {number}"
        if len(cells) != len(header):
            raise ValueError(f"{where} has {len(cells)} values for {len(header)} columns")
        by_name = dict(zip(header, cells, strict=True))
        values = {name: _value(by_name.get(name, ""), name, where) for name in COLUMNS}
        rounds.append(Round(**values))
        if number > 2 and rounds[-1].round <= rounds[-2].round:
            raise ValueError(f"{where} is round {rounds[-1].round}, after round {rounds[-2].round}")
    return rounds


def _value(cell: str, name: str, where: str) -> Any:
    kind = _KINDS[name]
    if not cell and name not in _REQUIRED:
        return None
    whole = int in (kind, *get_args(kind))
    try:
        return int(cell) if whole else float(cell)
    except ValueError:
        wanted = "whole number" if whole else "number"
        raise ValueError(f"{where} has {cell[:40]!r} as {name}, which is no {wanted}") from None


def _lines(rows: Iterable[Iterable[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _cells(row: Round) -> tuple[str, ...]:
    return tuple(
        "" if value is None else f"{value:.7g}" if isinstance(value, float) else str(value) for value in astuple(row)
    )
