"""A residual network's forward pass in float32 on a processor, compiled: `CompiledNetwork`.

In reading order: ``lanes`` (sixteen numbers as one), ``products`` (of small matrices), ``winograd`` (3 × 3
convolutions), ``first_layer`` (straight from packed planes), ``nonlinear``, ``program`` (a network as a list of
operations), ``interpreter`` (carries it out), ``parallel`` (in several threads), ``network``.
"""

from engines.networks.compiled.network import CompiledNetwork
from engines.networks.compiled.program import is_compilable

__all__ = ["CompiledNetwork", "is_compilable"]
