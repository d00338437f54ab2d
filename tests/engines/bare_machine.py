"""What a machine without python-chess and most requirements has to be able to do; started by the test beside it.

``bare_machine.py FOLDER NAME ...`` refuses every import of the packages NAME, grows a search, writes a network to
FOLDER and reads it back, plays a short campaign there, goes on with it, and prints what came of it as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

SIMULATIONS = 50


class _Refusal(MetaPathFinder):
    """Asked before all other finders, says of some packages that they are not installed."""

    def __init__(self, packages: Collection[str]) -> None:
        self._packages = packages

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname.split(".")[0] in self._packages:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def network_and_search(folder: Path) -> dict[str, Any]:
    """Search the start position with a network, and store the network."""
    import numpy as np

    import engines.chess
    import engines.networks
    import engines.search
    from engines.chess.planes import pack_game
    from engines.chess.position import WORDS, start_position
    from engines.search.cutting import cut_out
    from engines.search.forest import Forest
    from engines.search.growing import grow
    from engines.search.settings import settings_for

    network = engines.networks.Network(engines.networks.NetworkConfig(engines.networks.Tower(filters=8, blocks=1)))
    agent = engines.networks.Agent(network, "small")

    game = start_position().reshape(1, WORDS)
    forest = Forest.allocate(trees=1, nodes=SIMULATIONS + 2, history_plies=1)
    forest.plant(0, game, SIMULATIONS, seed=1)
    grow(forest, agent, settings_for("lc0", {}), np.zeros(1, dtype=np.int64))
    nodes, _ = cut_out(forest, 0)

    file = folder / "small.pb.gz"
    engines.networks.write_network(network, file, encoding="float32")
    planes = pack_game(game, np.zeros(1, dtype=np.int64))
    before = agent.evaluate_packed(*planes)
    after = engines.networks.load_agent(file).evaluate_packed(*planes)
    return {
        "moves of the root": int(nodes["edges"][0]),
        "visits of the root": int(nodes["visits"][0]),
        "nodes": len(nodes),
        "same network": bool((before.logits == after.logits).all() and (before.wdl == after.wdl).all()),
    }


def campaign(folder: Path) -> dict[str, Any]:
    """Two legs of self-play with two actors."""
    from itertools import count

    from engines.selfplay import Campaign, policy_games, run_campaign
    from engines.selfplay.config import NetworkSize
    from engines.selfplay.state import Counters

    settings = Campaign(
        network=NetworkSize(filters=8, blocks=1, se_channels=2),
        games_at_once=8,
        simulations=2,
        fast_simulations=2,
        opening_plies=2,
        endgame_share=0.5,
        longest_game=20,
        positions_per_round=64,
        window=1024,
        batch_size=8,
    )

    def leg() -> Counters:
        """A minute and a half by a clock that is half a minute further on whenever it is looked at."""
        seconds = count(0, 30)
        return run_campaign(
            settings, folder, 1.5, device="cpu", actors=2, clock=lambda: float(next(seconds)), report=lambda _: None
        )

    first, second = leg(), leg()
    return {
        "went on": 2 <= first.rounds < second.rounds and 128 <= first.positions < second.positions,
        "checkpoints": [path.name for path in (folder / "checkpoints").iterdir()],
        "policies can be played": callable(policy_games.play_policy_games),
    }


def asked_for_a_board() -> str:
    """What python-chess's absence is reported as."""
    from engines.python_chess import chess

    try:
        chess.Board()
    except ModuleNotFoundError as error:
        return str(error)
    return "there is python-chess"


def main() -> None:
    folder, *refused = sys.argv[1:]
    sys.meta_path.insert(0, _Refusal(frozenset(refused)))
    done = network_and_search(Path(folder)) | campaign(Path(folder) / "campaign")
    done["asked for a board"] = asked_for_a_board()
    done["imported all the same"] = sorted(set(refused) & {name.split(".")[0] for name in sys.modules})
    print(json.dumps(done))


if __name__ == "__main__":
    main()
