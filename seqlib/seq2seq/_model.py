"""The encoder, and the whole model around the decoder."""

from __future__ import annotations

from array_api_compat import device

from seqlib._arrays import Array, array_namespace
from seqlib._check import gradient, shapes, whole
from seqlib._params import check_names
from seqlib.functional import embedding, embedding_backward
from seqlib.recurrent import recurrent, recurrent_backward
from seqlib.seq2seq._checks import (
    Form,
    Params,
    check_copy,
    check_dot,
    check_form,
    decoder_axes,
    is_dict,
    real_ids,
    sizes_of,
    stack_axes,
    under,
)
from seqlib.seq2seq._decoder import decode, decode_backward
from seqlib.seq2seq._memory import DecoderState, Memory, begin


def seq2seq(
    src: Array,
    tgt: Array,
    params: Params,
    kind: str,
    context: str = "once",
    score: str = "additive",
    init: str = "copy",
    src_mask: Array | None = None,
    tgt_mask: Array | None = None,
    return_weights: bool = False,
) -> tuple[Array, ...]:
    """Encode a source, and score each next token of a target: teacher forcing.

    s_t = RNN(s_{t-1}, [e(y_{t-1}), what the context gives]),
    P(y_t | y_<t, x) = softmax(V s_t + b)

    Parameters
    ----------
    src : (B, S) integers, the source's tokens
    tgt : (B, T) integers, what the decoder is given: <sos> y_1 ... y_{T-1}. The logits
        at place t are for the token that follows tgt[:, t], so from whole targets give
        `y[:, :-1]` and compare with `y[:, 1:]`
    params : flat dict, with D and E for sizes of embeddings, H and H' of the states, M
        = H times directions; its recurrent networks have the names and shapes of
        `recurrent`, and depth, directions and biases are read off:

        - `encoder.embedding.weight` (V', D), `encoder.weight_ih_l0` (G, D) ...
        - `decoder.embedding.weight` (V, E), `decoder.weight_ih_l0` (G', E), or
          (G', E + M) with context "every" and "attention", the token's columns first
        - `output.weight` (V, H'), `output.bias` (V,)
        - attention: `attention.W_q` (A, H'), `attention.W_k` (A, M), `attention.w` (A,)
          for score "additive", `attention.W` (H', M) for "bilinear", none for "dot"
        - context "first": `first.weight` (E, M), `first.bias` (E,)
        - init "project": `init.weight` (N L H', M), `init.bias`; "learned":
          `init.state` (N, L, H'); N = 2 (h, then c) for "lstm", else 1
    kind : of both recurrent networks, as for `recurrent`
    context : "once": the source decides s_0 and nothing else; "every": h_S, the last
        layer's last state in each direction, is an input at every step; "first": it is
        the first input, before the tokens; "attention": c_t = sum_j p_tj h_j is an
        input, p_t from the state before. Of several layers the first one attends
    score : "dot", "bilinear" or "additive", what compares s_{t-1} and h_j
    init : the decoder's state before the first token. "copy": the encoder's last, layer
        for layer, h and c; "project": tanh(W h_S + b); "learned"; "zero"
    src_mask, tgt_mask : (B, S) and (B, T) booleans, True = real. What stands in the
        padding never matters: h_S is the state after the last real token, padding is
        not attended to, and logits there are zero
    return_weights : True for the weights of attention too

    Returns
    -------
    logits : (B, T, V)
    weights : (B, T, S), only where return_weights is True
    cache : for `seq2seq_backward`

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; the sentence says what was expected and what came.

    Notes
    -----
    Equations (12.2) to (12.7) of the book; those of attention are chapter 15's.
    Sources: Sutskever, Vinyals & Le (2014) for "once" with "copy"; Cho et al. (2014)
    for "every"; Bahdanau, Cho & Bengio (2015) for "attention" and "project", though
    they project the backward direction's state alone; Luong, Pham & Manning (2015) for
    the other scores; Wu et al. (2016) let the first layer attend.
    """
    form = Form(kind, context, score, init)
    check_form(form, return_weights)
    shapes(src=(src, "B S", "int"), tgt=(tgt, "B T", "int"))
    src, tgt = _check(src, params, form, src_mask, tgt, tgt_mask)
    memory, of_source = encode(src, params, kind, src_mask)
    logits, weights, of_target = decode(tgt, memory, params, form, tgt_mask)
    cache = (params, logits.shape, tuple(src.shape), of_source, of_target)
    return (logits, weights, cache) if return_weights else (logits, cache)


def seq2seq_backward(
    dlogits: Array | None, cache: tuple, dweights: Array | None = None
) -> Params:
    """Gradients of `seq2seq` at all parameters, under their names and in their order.

    Parameters
    ----------
    dlogits : (B, T, V) gradient at the logits, None for zeros; on padding it is ignored
    cache : what `seq2seq` returned
    dweights : (B, T, S) gradient at the weights of attention, None for zeros

    Raises
    ------
    ValueError, TypeError
        A gradient has not the shape, library or float type of what it belongs to, or
        dweights is given where there is no attention.

    Notes
    -----
    Equations (12.9) to (12.11) of the book: backpropagation through time, in the
    decoder and then in the encoder. With attention, an annotation h_j receives from the
    encoder's next step and from every step of the decoder that attended to it.
    """
    params, shape, (_, S), of_source, of_target = cache
    dlogits = check_gradients(dlogits, dweights, params, shape, of_target, (S,))
    dmemory, grads = decode_backward(dlogits, dweights, of_target)
    grads |= encode_backward(dmemory, of_source)
    return {name: grads[name] for name in params}


def seq2seq_start(
    src: Array,
    sos: int,
    params: Params,
    kind: str,
    context: str = "once",
    score: str = "additive",
    init: str = "copy",
    src_mask: Array | None = None,
) -> tuple[DecoderState, Array]:
    """Encode a source for decoding: the `start` of `seqlib.decode`'s searches.

    Shapes: src (B, S) integers, src_mask (B, S) or None; result a `DecoderState` and
    the token <sos>, (B,) integers. With `decoder_step` for the steps::

        start = seq2seq_start(src, sos, params, "gru", "attention")
        step = partial(decoder_step, params=params, kind="gru", context="attention")
        tokens, scores = beam_search(step, start, eos, width=4, max_len=20)

    Arguments, errors and sources: as for `seq2seq`; sos is one of the target's tokens.
    """
    form = Form(kind, context, score, init)
    check_form(form)
    src, _ = _check(src, params, form, src_mask)
    memory, _ = encode(src, params, kind, src_mask)
    return begin(memory, params, form)[0], first_tokens(sos, params, src)


def first_tokens(sos: int, params: Params, like: Array) -> Array:
    """Return the first token for each of B inputs."""
    whole("sos", sos, 0, params["decoder.embedding.weight"].shape[0] - 1)
    xp = array_namespace(like)
    return xp.full((like.shape[0],), int(sos), dtype=xp.int64, device=device(like))


def check_gradients(
    dlogits: Array | None,
    dweights: Array | None,
    params: Params,
    shape: tuple[int, ...],
    of_target: tuple,
    places: tuple[int, ...],
) -> Array:
    """Check what enters a backward pass; return dlogits, zeros in place of None."""
    W = params["output.weight"]
    if dlogits is None:
        dlogits = array_namespace(W).zeros(shape, dtype=W.dtype, device=device(W))
    gradient("dlogits", dlogits, W, shape)
    if dweights is not None:
        if (context := of_target[0][0].context) != "attention":
            raise ValueError(
                f"dweights must be None where context is {context!r}, which has no "
                f"weights, got {type(dweights).__name__}"
            )
        gradient("dweights", dweights, W, (*shape[:2], *places))
    return dlogits


def encode(
    src: Array, params: Params, kind: str, mask: Array | None
) -> tuple[Memory, tuple]:
    """Return the annotations of src (B, S), their last, and the cache."""
    own = under("encoder.", params)
    x, of_tokens = embedding(src, own.pop("embedding.weight"))
    y, last, of_steps = recurrent(kind, x, None, own, mask)
    xp = array_namespace(y)
    ways, H = y.shape[-1] // last[0].shape[-1], last[0].shape[-1]
    top = xp.permute_dims(last[0][-ways:, ...], (1, 0, 2))  # (B, ways, H)
    vector = xp.reshape(top, (-1, ways * H))
    return Memory(vector, y, mask, last), (of_tokens, of_steps, last)


def encode_backward(dmemory: Memory, cache: tuple) -> Params:
    """Gradients of `encode` at the encoder's parameters."""
    of_tokens, of_steps, last = cache
    dlast = dmemory.state
    if dmemory.vector is not None:
        xp = array_namespace(dmemory.vector)
        rows, B, H = last[0].shape
        dtop = xp.reshape(dmemory.vector, (B, -1, H))
        dtop = xp.permute_dims(dtop, (1, 0, 2))  # (ways, B, H)
        below = xp.zeros_like(last[0][: rows - dtop.shape[0], ...])
        dh = xp.concat([below, dtop])
        rest = (None,) * len(last[1:]) if dlast is None else dlast[1:]
        dlast = (dh if dlast is None else dh + dlast[0], *rest)
    back = recurrent_backward(dmemory.annotations, dlast, of_steps)
    grads = {f"encoder.{name}": d for name, d in back[2].items()}
    grads["encoder.embedding.weight"] = embedding_backward(back[0], of_tokens)
    return grads


def _check(
    src: Array,
    params: Params,
    form: Form,
    src_mask: Array | None,
    tgt: Array | None = None,
    tgt_mask: Array | None = None,
) -> tuple[Array, Array | None]:
    """Check all that a model is given; return the ids, 0 where they are padding."""
    is_dict(params)
    names = ["encoder.embedding.weight"]
    names += stack_axes(params, "encoder.", form.kind, 1, 1)
    check_names(params, [*names, *decoder_axes(params, form, 1, 1, 1, 1)])
    D, encoder = sizes_of(params, "encoder.")
    E, decoder = sizes_of(params, "decoder.")
    M = encoder.ways * encoder.H
    check_copy(form, encoder, decoder)
    check_dot(form, decoder.H, M)
    axes = {names[0]: f"V_src {D}"}
    axes |= stack_axes(params, "encoder.", form.kind, D, encoder.H)
    axes |= decoder_axes(params, form, E, decoder.H, M, M)
    n = shapes(
        **{name: (params[name], a) for name, a in axes.items()},
        src=(src, "B S", "int"),
        src_mask=(src_mask, "B S?", "bool"),
        **({} if tgt is None else {"tgt": (tgt, "B T", "int")}),
        tgt_mask=(tgt_mask, "B T?", "bool"),
    )
    src = real_ids("src", src, src_mask, n["V_src"])
    return src, tgt if tgt is None else real_ids("tgt", tgt, tgt_mask, n["V"])
