"""Games over a Ray cluster: an actor a CPU or GPU plays there, while the learner trains here.

An actor plays in short turns, each asked for by a thread beside the learner.  A turn takes the newest weights along and
brings finished games back, so whatever happens to an actor shows in an answer: a node that dies costs the games it had
in play and nothing else.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from engines.compiled import kernel_sources_digest
from engines.networks import Network
from engines.selfplay.actors import TABLES_OF_A_GPU, deal_out
from engines.selfplay.cluster_player import (
    About,
    ClusterPlayer,
    Published,
    Turn,
    owned,
    pack_unfinished,
    unpack_unfinished,
)
from engines.selfplay.config import Campaign
from engines.selfplay.finished import FinishedGames
from engines.selfplay.games import Unfinished
from engines.selfplay.records import GameRecord, unpack_games

_TURN_S = 1.0  # how old an actor's weights can be, and how long a save may wait for it
_CENSUS_S = 2.0  # between looks at what the cluster has
_POLL_S = 0.05
_ANSWER_S = 60.0  # for machines that hang and that Ray has not yet given up
_TRIES: Final = 5  # censuses in a row after which actors died before any of them had played


@dataclass(eq=False)
class _Hand:
    """An actor as the learner's side knows it.

    ``node``: Ray's name of it, empty until the actor has come; ``dealt``: games that it was given to go on with and has
    not begun to; ``promised``: positions that its turn under way may bring.
    """

    handle: Any
    node: str = ""
    dealt: Sequence[Unfinished] = ()
    played: bool = False
    idle: bool = False
    promised: int = 0


_Then = Callable[[_Hand, Any], None]


class Cluster:
    """Ray actors as `engines.selfplay.actors.Actors`, in a process that is connected to Ray (see `ray_connection`).

    An actor for each CPU of the cluster (on ``device`` cuda, if it has GPUs, for each of these), at most ``actors`` of
    them unless that is 0.  The campaign's games are shared out to as many as there is room for at the beginning; where
    nodes join later, actors begin with as many games each, and an actor that is lost is replaced while there is room.

    They play on while the caller learns, but never further than the positions of a round ahead of what it has taken
    (and the last games of each actor); not at all if the campaign's games and learning do not overlap.

    ``report`` is given a line when actors have come or gone.
    """

    def __init__(
        self,
        campaign: Campaign,
        *,
        device: str,
        actors: int,
        seed: int,
        saved: Sequence[Unfinished] = (),
        report: Callable[[str], None] = print,
    ) -> None:
        import ray

        self._campaign, self._seed, self._report = campaign, seed, report
        self._most = actors
        on_gpu = device == "cuda" and ray.cluster_resources().get("GPU", 0) >= 1
        self._resource = "GPU" if on_gpu else "CPU"
        options: dict[str, Any] = {"num_gpus": 1} if on_gpu else {"num_cpus": 1}
        self._hire = ray.remote(**options)(ClusterPlayer).remote
        self._device = "cuda" if on_gpu else "cpu"
        games = -(-campaign.games_at_once // max(1, self._room()))
        tables = min(games, TABLES_OF_A_GPU) if on_gpu else 1
        self._sizes = [len(part) for part in np.array_split(np.arange(games), tables)]
        self._tables = 0
        self._ahead = campaign.positions_per_round if campaign.overlapped else 0
        self._waiting = deal_out(saved, [])[0]
        self._weights: Any = None
        self._published = 0
        self._finished = FinishedGames()
        self._changed = self._finished.changed
        self._hands: list[_Hand] = []
        self._under_way: dict[Any, tuple[_Hand, _Then]] = {}
        self._evaluations = 0
        self._told = ""
        self._lost = 0
        self._lost_unplayed: Exception | None = None
        self._in_vain = 0
        self._thread = threading.Thread(target=self._direct, daemon=True, name="cluster")
        self.positions_by_node: Counter[str] = Counter()
        """Positions of the finished games, by Ray's name of the node that they were played on."""

    def publish(self, network: Network, *, resign_below: float, decisive_lead: int) -> None:
        import ray

        weights = {name: weight.float().cpu().numpy() for name, weight in network.state_dict().items()}
        self._published += 1
        self._weights = ray.put(Published(self._published, network.config, weights, resign_below, decisive_lead))
        if self._published == 1:
            self._thread.start()

    def collect(self, positions: int, until: float) -> list[GameRecord]:
        self._finished.wait(positions, until)
        if news := self._news():
            self._report(news)
        return self._finished.take_sound()

    def finished(self) -> list[GameRecord]:
        return self._finished.take()

    def _news(self) -> str:
        """What to report."""
        with self._changed:
            nodes = [hand.node for hand in self._hands if hand.node]
            now = f"actors of the cluster: {len(nodes)} on {len(set(nodes))} nodes"
            news = f"{now}, {self._lost} lost" if self._lost else now if now != self._told else ""
            self._told, self._lost = now, 0
        return news

    def unfinished(self) -> list[Unfinished]:
        """The games in play: of all actors that answer within a minute, and those that none has begun to go on with."""
        import ray

        with self._changed:
            asked = [hand.handle.unfinished.remote() for hand in self._hands if hand.played]
            given = [part for hand in self._hands for part in hand.dealt]
            found = [part for part in (self._waiting, *given) if part.records]
        answered, _ = ray.wait(asked, num_returns=len(asked), timeout=_ANSWER_S) if asked else ([], [])
        for reference in answered:
            try:
                found += [unpack_unfinished(packed) for packed in ray.get(reference)]
            except ray.exceptions.RayError:  # the thread hears of it, too
                continue
        return found

    @property
    def evaluations(self) -> int:
        return self._evaluations

    def stop(self) -> None:
        self._finished.stop()
        if self._thread.ident is not None:
            self._thread.join()

    def close(self) -> None:
        import ray

        self.stop()
        for hand in self._hands:
            ray.kill(hand.handle)

    def _room(self) -> int:
        """How many actors there are to be."""
        import ray

        room = int(ray.cluster_resources().get(self._resource, 0))
        return min(room, self._most) if self._most else room

    # What follows runs in the thread.

    def _direct(self) -> None:
        import ray

        try:
            census = time.monotonic()
            patience = math.inf
            while not self._finished.stopped or (self._playing() and time.monotonic() < patience):
                if self._finished.stopped:
                    patience = min(patience, time.monotonic() + _ANSWER_S)
                elif time.monotonic() >= census:
                    self._look_round()
                    census = time.monotonic() + _CENSUS_S
                if not self._finished.stopped:
                    self._ask_for_turns()
                if self._under_way:
                    answered, _ = ray.wait(list(self._under_way), timeout=_POLL_S)
                    for reference in answered:
                        self._hear(reference)
                else:
                    with self._changed:
                        self._changed.wait(_POLL_S)
        except BaseException as failure:  # whatever it is, the learner's thread must hear of it
            self._finished.fail(failure)

    def _playing(self) -> bool:
        """Whether a turn is under way."""
        return any(hand.promised for hand in self._hands)

    def _look_round(self) -> None:
        """Have as many actors as there is room for."""
        if self._lost_unplayed is not None:
            self._in_vain += 1
            if self._in_vain == _TRIES:
                reason = str(self._lost_unplayed).strip().splitlines()[-1].strip()
                raise ValueError(
                    f"actors of the cluster die before they have played ({reason}):"
                    " is the same conceptmine installed on all machines, and have they memory enough?"
                ) from self._lost_unplayed
            self._lost_unplayed = None
        while len(self._hands) < self._room():
            hand = _Hand(self._hire(self._campaign, self._device))
            with self._changed:
                self._hands.append(hand)
            self._ask(hand, hand.handle.about.remote(), self._begin)

    def _ask(self, hand: _Hand, reference: Any, then: _Then) -> None:
        self._under_way[reference] = hand, then

    def _hear(self, reference: Any) -> None:
        import ray

        hand, then = self._under_way.pop(reference)
        try:
            answer = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            raise RuntimeError(f"an actor of the cluster failed: {type(cause).__name__}: {cause}") from error
        except ray.exceptions.RayError as error:
            self._lose(hand, error)
        else:
            then(hand, answer)

    def _lose(self, hand: _Hand, error: Exception) -> None:
        import ray

        ray.kill(hand.handle)  # one that cannot be reached just now would come back, to no use
        with self._changed:
            self._hands.remove(hand)
            self._waiting = deal_out([self._waiting, *hand.dealt], [])[0]
            self._lost += 1
        if not hand.played:
            self._lost_unplayed = error

    def _begin(self, hand: _Hand, about: About) -> None:
        if about.sources != kernel_sources_digest():
            raise ValueError(
                f"the machine at {about.address} has another version of conceptmine: install the same one everywhere"
            )
        with self._changed:
            hand.node = about.node
            *hand.dealt, self._waiting = deal_out([self._waiting], self._sizes)
        saved = [pack_unfinished(unfinished) for unfinished in hand.dealt]
        self._ask(hand, hand.handle.begin.remote(self._sizes, self._seed, self._tables, saved), self._be_idle)
        self._tables += len(self._sizes)

    def _be_idle(self, hand: _Hand, _: None) -> None:
        hand.idle = True

    def _ask_for_turns(self) -> None:
        """Let idle actors play, but not past what the learner may be behind."""
        share = max(1, self._campaign.positions_per_round // max(1, len(self._hands)))
        room = self._finished.room(self._ahead) - sum(hand.promised for hand in self._hands)
        for hand in self._hands:
            if hand.idle and room > 0:
                hand.idle, hand.promised = False, min(share, room)
                room -= hand.promised
                self._ask(hand, hand.handle.play.remote(self._weights, hand.promised, _TURN_S), self._take_in)

    def _take_in(self, hand: _Hand, turn: Turn) -> None:
        games = unpack_games(owned(turn.games))
        hand.idle, hand.promised = True, 0
        self._in_vain = 0
        self.positions_by_node[hand.node] += sum(len(game.moves) for game in games)
        with self._changed:
            hand.played, hand.dealt = True, ()
            self._evaluations += turn.evaluations
            self._finished.add(games)
