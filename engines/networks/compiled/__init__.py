"""A network's forward pass in float32 on a processor, compiled: `CompiledNetwork`.

In reading order: ``lanes`` (sixteen numbers as one), ``products`` (of small matrices), ``winograd`` (3 × 3
convolutions), ``first_layer`` and ``embedding`` (straight from packed planes), ``nonlinear``, ``norms``, ``attention``,
``operations`` (what a network becomes), ``interpreter`` (carries it out), ``writer``, ``tower``, ``encoders``,
``heads`` and ``program`` (a network as a list of operations), ``parallel`` (in several threads), ``network``.
"""

from engines.networks.compiled.network import CompiledNetwork

__all__ = ["CompiledNetwork"]
