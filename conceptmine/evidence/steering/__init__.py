"""Steering: does moving the activations along a vector move the agent's choices, and more than other vectors do?

`steered` gives an agent of which one layer is amplified (`amplification`), to evaluate, search and play with.
"""

from conceptmine.evidence.steering.amplification import PAPER_BETA, SteeredAgent, amplification, steered

__all__ = ["PAPER_BETA", "SteeredAgent", "amplification", "steered"]
