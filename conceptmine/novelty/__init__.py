"""Novelty: is a vector explained by what the machine's games span and not by what human games span?

`novelty_scores` gives S_k, how much better the machine's top-k basis reconstructs a vector than the human one;
`rank_grid` the ranks to test; `novelty_null` the p-value and bands when whole games exchange corpora (`NoveltyNull`);
`rank_comparison` the numerical ranks of the two corpora (`RankComparison`).
"""

from conceptmine.novelty.game_null import NoveltyNull, novelty_null
from conceptmine.novelty.ranks import RankComparison, rank_comparison
from conceptmine.novelty.scores import novelty_scores, rank_grid

__all__ = ["NoveltyNull", "RankComparison", "novelty_null", "novelty_scores", "rank_comparison", "rank_grid"]
