"""Evidence: does a vector hold on roots of games it was not mined from, beyond chance, its controls and its many tries?

*Held out.* `held_out` counts the rows that each vector satisfies, by root and ply (`HeldOut`; `row_scores` and
`count_scores` in two steps). *Chance.* `sign_flip_null` gives null bands and p-values by flipping whole roots, `flip_p`
p-values alone; `q_values` turns the p-values of all concepts and layers into false discovery rates. *How much.*
`effect_interval` and `mean_interval`. *Controls.* `random_vectors` of equal weights, `shuffled_partners` for trees
without their contrast. *Beyond value.* `nearly_equal`, `against` and `balanced_weights` choose and weigh rows by a
control; `beyond_controls` tests what all controls together leave; `fit_readouts` and `share_outside` say what of a
vector lies along value, policy, material and ply. *Where it applies.* `strongest`, `opinions` and `one_p`. *Stability.*
`half_effects`, `ply_agreement`, `cosine`, `rank_correlation`. *Power.* `minimum_p`, `detection_power` and
`detectable_satisfaction` say what the data could have shown.
"""

from conceptmine.evidence.applies import one_p, opinions, strongest
from conceptmine.evidence.conditional import BeyondControls, beyond_controls
from conceptmine.evidence.heldout import HeldOut, count_scores, held_out, row_scores
from conceptmine.evidence.intervals import Effects, effect_interval, mean_interval
from conceptmine.evidence.matched import against, balanced_weights, nearly_equal, weighted_effects
from conceptmine.evidence.multiplicity import q_values
from conceptmine.evidence.power import detectable_satisfaction, detection_power, minimum_p
from conceptmine.evidence.random_vectors import random_vectors, share_as_good, turned_to
from conceptmine.evidence.readouts import Readout, fit_readouts, share_outside
from conceptmine.evidence.shuffled_trees import shuffled_partners
from conceptmine.evidence.sign_flip import SignFlipNull, flip_p, sign_flip_null
from conceptmine.evidence.stability import cosine, half_effects, ply_agreement, rank_correlation

__all__ = [
    "BeyondControls",
    "Effects",
    "HeldOut",
    "Readout",
    "SignFlipNull",
    "against",
    "balanced_weights",
    "beyond_controls",
    "cosine",
    "count_scores",
    "detectable_satisfaction",
    "detection_power",
    "effect_interval",
    "fit_readouts",
    "flip_p",
    "half_effects",
    "held_out",
    "mean_interval",
    "minimum_p",
    "nearly_equal",
    "one_p",
    "opinions",
    "ply_agreement",
    "q_values",
    "random_vectors",
    "rank_correlation",
    "row_scores",
    "share_as_good",
    "share_outside",
    "shuffled_partners",
    "sign_flip_null",
    "strongest",
    "turned_to",
    "weighted_effects",
]
