"""One step of decoding, and the probability of a whole sequence."""

from __future__ import annotations

from array_api_compat import device

from seqlib._arrays import Array, array_namespace
from seqlib._check import shapes
from seqlib._params import check_names, check_state
from seqlib.functional import log_softmax
from seqlib.recurrent import CELLS
from seqlib.seq2seq._checks import (
    Form,
    Params,
    Stack,
    check_dot,
    check_form,
    decoder_axes,
    is_dict,
    real_ids,
    sizes_of,
)
from seqlib.seq2seq._decoder import advance
from seqlib.seq2seq._memory import DecoderState


def decoder_step(
    state: DecoderState,
    token: Array,
    params: Params,
    kind: str,
    context: str = "once",
    score: str = "additive",
) -> tuple[Array, DecoderState]:
    """One step of decoding: log P(y_t | y_<t, x) for every token, and the new state.

    With `functools.partial` for what follows `token` it is the `step` of
    `seqlib.decode`; `seq2seq_start` or `captioner_start` give its `start`.

    Parameters
    ----------
    state : `DecoderState`, as start or the step before gave it
    token : (N,) integers, the last token of each hypothesis
    params : of the whole model; the encoder's have done their work
    kind, context, score : as for `seq2seq` or `captioner`

    Returns
    -------
    log_probs : (N, V), and the new state

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; the sentence says what was expected and what came.
    """
    # how s_0 was made no longer matters, but "once" goes with "copy", the rest with all
    form = Form(kind, context, score, "copy")
    check_form(form)
    is_dict(params)
    own = {n: a for n, a in params.items() if not str(n).startswith(_DONE)}
    check_names(own, _axes(own, form, 1, 1, 1, 1))
    if not isinstance(state, DecoderState):
        raise TypeError(
            f"state must be a DecoderState, as seq2seq_start and captioner_start "
            f"give it, got {type(state).__name__}"
        )
    E, stack = sizes_of(own, "decoder.")
    _check_state(state, form, stack, own["output.weight"])
    M, A = (1 if a is None else a.shape[-1] for a in (state.vector, state.values))
    check_dot(form, stack.H, A)
    axes = _axes(own, form, E, stack.H, M, A)
    n = shapes(
        **{name: (own[name], a) for name, a in axes.items()},
        **_keys(state, form, stack.H),
        token=(token, f"{state.state[0].shape[0]}", "int"),
    )
    token = real_ids("token", token, None, n["V"])
    logits, new, _, _ = advance(token[:, None], state, own, form)
    return log_softmax(logits[:, 0, :])[0], new


_DONE = ("encoder.", "init.", "first.")  # what has done its work before the first step


def _axes(own: Params, form: Form, *sizes: int) -> dict[str, str]:
    """Return the axes of those of the decoder's parameters that a step needs."""
    axes = decoder_axes(own, form, *sizes)
    return {name: a for name, a in axes.items() if not name.startswith(_DONE)}


def _check_state(state: DecoderState, form: Form, stack: Stack, like: Array) -> None:
    """Refuse a state that another form of decoder has left."""
    first, sizes = ("output.weight", like), ("N", stack.L, stack.H)
    check_state("state.state", state.state, CELLS[form.kind].states, first, sizes)
    wanted: dict[str, tuple] = {
        f"state.state[{i}]": (s, f"N {stack.L} {stack.H}")
        for i, s in enumerate(state.state)
    }
    if form.context == "every":
        wanted["state.vector"] = (state.vector, "N M")
    if form.context == "attention":
        wanted["state.values"] = (state.values, "N S A")
        wanted["state.mask"] = (state.mask, "N S?", "bool")
    shapes(**{"output.weight": (like, "..."), **wanted})


def _keys(state: DecoderState, form: Form, H: int) -> dict[str, tuple]:
    """Return what the keys must be, beside parameters in which A is their size."""
    if form.context != "attention":
        return {}
    N, S, _ = state.values.shape
    size = "A" if form.score == "additive" else H
    return {"state.keys": (state.keys, f"{N} {S} {size}")}


def sequence_log_prob(
    logits: Array, targets: Array, mask: Array | None = None
) -> Array:
    """Log-probability of whole sequences: log P(y | x) = sum_t log P(y_t | y_<t, x).

    Equation (12.1) of the book.

    Shapes: logits (B, T, V), as given for the tokens before each target; targets (B, T)
    integers; mask (B, T) booleans, True = counted, or None; result (B,). Errors: a
    shape or a type does not fit, a counted target is out of range.
    """
    n = shapes(
        logits=(logits, "B T V"),
        targets=(targets, "B T", "int"),
        mask=(mask, "B T?", "bool"),
    )
    targets = real_ids("targets", targets, mask, n["V"])
    xp = array_namespace(logits)
    log_p, _ = log_softmax(logits)
    right = targets[..., None] == xp.arange(n["V"], device=device(logits))
    if mask is not None:
        right = right & mask[..., None]
    return xp.sum(xp.where(right, log_p, xp.zeros_like(log_p)), axis=(1, 2))
