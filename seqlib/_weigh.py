"""The half that all forms of attention share: from scores to the average."""

from __future__ import annotations

import numpy as np

from seqlib._arrays import Array
from seqlib._check import gradient
from seqlib.functional import dropout as drop
from seqlib.functional import dropout_backward
from seqlib.masks import masked_softmax, masked_softmax_backward


def weigh(
    scores: Array,
    v: Array,
    mask: Array | None = None,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[Array, Array, tuple]:
    """Average the values, out = p v, p = masked_softmax(scores); return out, p, cache.

    Shapes: scores (..., T, S), v (..., S, O), out (..., T, O). With dropout, weights
    are dropped, and p is what is left of them, as in torch.
    """
    p, of_softmax = masked_softmax(scores, mask)
    dropped = None
    if dropout and rng is not None:
        p, dropped = drop(p, dropout, rng)
    return p @ v, p, (p, v, dropped, of_softmax)


def weigh_backward(
    dout: Array, dweights: Array | None, cache: tuple
) -> tuple[Array, Array, Array | None]:
    """Gradients of `weigh`: dscores, dv and, for a mask of floats, dmask.

    dv = p' dout, and dp = dout v' + dweights goes on through dropout and softmax.
    """
    p, v, dropped, of_softmax = cache
    gradient("dout", dout, p, (*p.shape[:-1], v.shape[-1]))
    if dweights is not None:
        gradient("dweights", dweights, p, p.shape)
    dp = dout @ v.mT
    dp = dp if dweights is None else dp + dweights
    dp = dp if dropped is None else dropout_backward(dp, dropped)
    dscores, dmask = masked_softmax_backward(dp, of_softmax)
    return dscores, p.mT @ dout, dmask
