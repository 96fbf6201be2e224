"""One training loop for all chapters, and files for what it has learned.

`fit` takes a torch module, a loss and data, and hands back the history of the run.
`save` and `load` keep a model's weights in a safetensors file. Where all is written by
hand, in numpy, `seqlib.optim` has the same optimisers for dicts of arrays.
"""

from seqlib.train._files import load, read_config, save
from seqlib.train._fit import fit
from seqlib.train._run import History
from seqlib.train._schedules import cosine, inverse_sqrt
from seqlib.train._seeds import seeded

__all__ = [
    "History",
    "cosine",
    "fit",
    "inverse_sqrt",
    "load",
    "read_config",
    "save",
    "seeded",
]
