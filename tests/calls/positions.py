"""Good calls of `seqlib.positions`."""

from calls.trees import drawn

from seqlib import positions as P

CALLS = {
    P.sinusoidal: {"positions": drawn(2, 5), "dim": 6},
    P.learned: {"x": drawn(2, 5, 3), "weight": drawn(8, 3), "start": 1},
    P.rotary: {"x": drawn(2, 5, 6), "positions": drawn(2, 5)},
}
VARIANTS = {
    P.rotary: [{"layout": "halves"}, {"positions": drawn(5)}, {"positions": None}],
}
