"""Evidence: does a vector hold on roots of games it was not mined from, beyond chance and the number of tries?

`held_out` counts the rows that each vector satisfies, by root and ply (`HeldOut`); `sign_flip_null` gives each a
p-value and null bands by flipping whole roots (`SignFlipNull`); `q_values` turns the p-values of all concepts and
layers into false discovery rates; `minimum_p`, `detection_power` and `detectable_satisfaction` say what the data could
have shown.
"""

from conceptmine.evidence.heldout import HeldOut, held_out
from conceptmine.evidence.multiplicity import q_values
from conceptmine.evidence.power import detectable_satisfaction, detection_power, minimum_p
from conceptmine.evidence.sign_flip import SignFlipNull, sign_flip_null

__all__ = [
    "HeldOut",
    "SignFlipNull",
    "detectable_satisfaction",
    "detection_power",
    "held_out",
    "minimum_p",
    "q_values",
    "sign_flip_null",
]
