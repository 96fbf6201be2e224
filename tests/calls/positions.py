"""Good calls of `seqlib.positions`."""

from calls.trees import AXES, drawn
from seqlib import positions as P

CALLS = {
    P.sinusoidal: {"positions": drawn(2, 5), "dim": 6},
    P.learned: {"x": drawn(2, 5, 3), "weight": drawn(8, 3), "start": 1},
    P.rotary: {"x": drawn(2, 5, 6), "positions": drawn(2, 5)},
}
VARIANTS = {
    P.rotary: [{"layout": "halves"}, {"positions": drawn(5)}, {"positions": None}],
}
EXCEPTIONS = {
    (P.sinusoidal, "positions", "an axis *"): "every position by itself",
    (P.learned, "x", AXES): "any axes in front",
    (P.rotary, "x", "an axis more"): "any axes in front",
    (P.rotary, "positions", "axis ? of 1|an axis less|an axis more"): "they broadcast",
}
