"""What forms of attention share: from scores to the average, and scores by products."""

from __future__ import annotations

import numpy as np

from seqlib import _fused
from seqlib._arrays import Array
from seqlib._check import gradient
from seqlib.functional import dropout as drop
from seqlib.functional import dropout_backward
from seqlib.masks import _added, masked_softmax, masked_softmax_backward, sum_to


def weigh(scores: Array, v: Array, mask: Array | None) -> tuple[Array, Array, tuple]:
    """Average the values, out = p v, p = masked_softmax(scores); return out, p, cache.

    Shapes: scores (..., T, S), v (..., S, O), out (..., T, O).
    """
    p, of_softmax = masked_softmax(scores, mask)
    return p @ v, p, (p, v, None, of_softmax)


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
    dv = p.mT @ dout
    if _fused.fits(dp, p):  # dp is ours
        p, shape = of_softmax
        dscores = _fused.softmax_backward_(dp, p)
        return dscores, dv, None if shape is None else sum_to(dscores, shape)
    dscores, dmask = masked_softmax_backward(dp, of_softmax)
    return dscores, dv, dmask


def weigh_products(
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
    keep: bool = False,
) -> tuple[Array, Array, tuple]:
    """Average the values by the scores q k'; else as `weigh`, and so is what returns.

    Shapes: q (..., T, D), scaled already, k (..., S, D). With dropout, weights are
    dropped, and p is what is left of them, as in torch. The weights are most of what
    the backward pass needs, T S for each head; on torch, unless told to `keep` them or
    some are dropped, it makes them anew from q and k, which takes less time than room.
    """
    p, of_softmax = _weights(q, k, mask)
    dropped = None
    if dropout and rng is not None:
        p, dropped = drop(p, dropout, rng)
    anew = not (keep or dropout) and _fused.fits(q, k, v)
    return p @ v, p, (q, k, v, mask, None if anew else (p, v, dropped, of_softmax))


def weigh_products_backward(
    dout: Array, dweights: Array | None, cache: tuple
) -> tuple[Array, Array, Array, Array | None]:
    """Gradients of `weigh_products`: dq = de k, dk = de' q, dv and dmask; e = q k'."""
    q, k, v, mask, of_scores = cache
    dscores, dv, dmask = weigh_backward(  # the weights are gone when this is done
        dout, dweights, _again(q, k, v, mask) if of_scores is None else of_scores
    )
    return dscores @ k, dscores.mT @ q, dv, dmask


def _weights(q: Array, k: Array, mask: Array | None) -> tuple[Array, tuple]:
    """Return what `masked_softmax` does of q k', where it can in the scores' place."""
    if _fused.fits(*((q, k) if mask is None else (q, k, mask))):
        p = _fused.masked_softmax(q @ k.mT, mask, own=True)
        if p is not None:
            return p, (p, _added(mask))
    return masked_softmax(q @ k.mT, mask)


def _again(q: Array, k: Array, v: Array, mask: Array | None) -> tuple:
    """Return the cache of `weigh` anew."""
    p, of_softmax = _weights(q, k, mask)
    return p, v, None, of_softmax
