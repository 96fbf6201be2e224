"""From continuous time to steps."""

from __future__ import annotations

from seqlib._arrays import Array, array_namespace
from seqlib._check import gradient, parts, shapes
from seqlib._complex import conj_times, exp, expm1, over, plus, times


def zero_order_hold(
    log_decay: Array, frequency: Array, B_re: Array, B_im: Array, log_step: Array
) -> tuple[tuple[Array, Array, Array, Array], tuple]:
    """From h' = A h + B x to steps of Δ in which x is held: a = exp(ΔA), B̄ = (a-1)/A B.

    A = -exp(log_decay) + i frequency, Δ = exp(log_step), a number for each state.
    Shapes: log_decay, frequency, log_step (N,), B_re and B_im (N, D). Returns what
    `diagonal_ssm` takes as `log_decay`, `angle`, `B_re` and `B_im`, and the cache.
    Errors: a shape or float type does not fit. Source: Gu et al. (2022), section 2.
    """
    shapes(
        log_decay=(log_decay, "N"),
        frequency=(frequency, "N"),
        log_step=(log_step, "N"),
        B_re=(B_re, "N D"),
        B_im=(B_im, "N D"),
    )
    xp = array_namespace(B_re)
    A, step = (-xp.exp(log_decay), frequency), xp.exp(log_step)
    F = over(expm1((step * A[0], step * A[1])), A)
    out = times((F[0][:, None], F[1][:, None]), (B_re, B_im))
    cache = (A, step, F, (B_re, B_im))
    return (log_decay + log_step, frequency * step, *out), cache


def zero_order_hold_backward(
    dout: tuple[Array, Array, Array, Array], cache: tuple
) -> tuple[Array, Array, Array, Array, Array]:
    """Gradients of `zero_order_hold`, in the order of its inputs.

    F = (a - 1)/A has dF/dA = (Δ a - F)/A and dF/dΔ = a. Shapes: dout four arrays as
    the result. Errors: a gradient does not fit.
    """
    A, step, F, B = cache
    parts("dout", dout, 4)
    for i, like in enumerate((step, step, *B)):
        gradient(f"dout[{i}]", dout[i], step, like.shape)
    dν, dθ, *dB = dout
    xp = array_namespace(step)
    a = exp((step * A[0], step * A[1]))
    both = conj_times(B, (dB[0], dB[1]))
    dF = xp.sum(both[0], axis=1), xp.sum(both[1], axis=1)
    slope = over(plus((step * a[0], step * a[1]), (-F[0], -F[1])), A)
    dA = conj_times(slope, dF)
    dstep = conj_times(a, dF)[0] + dθ * A[1]
    back = conj_times((F[0][:, None], F[1][:, None]), (dB[0], dB[1]))
    return dν + A[0] * dA[0], dA[1] + dθ * step, *back, dν + step * dstep
