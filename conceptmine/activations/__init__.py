"""What the layers of an agent's network give for positions: the space in which concepts are directions.

`capture` reads layers into memory; `ActivationStore` writes them to disk for any number of positions in bounded memory
and reads back the rows that are wanted. Activations are flattened, seen from the side to move, with true history; they
are refused if they are not finite or do not fit the type they are stored in.
"""

from conceptmine.activations.capture import ActivationDtype, ActivationSource, capture
from conceptmine.activations.store import ActivationStore

__all__ = ["ActivationDtype", "ActivationSource", "ActivationStore", "capture"]
