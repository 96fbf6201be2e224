"""The convnet and the decoder as one model."""

from __future__ import annotations

from seqlib._arrays import Array, array_namespace
from seqlib._check import one_of, shapes
from seqlib._params import check_names
from seqlib.captioner._convnet import (
    check_size,
    depth,
    encoder_axes,
    map_size,
    see,
    see_backward,
)
from seqlib.seq2seq._checks import (
    Form,
    Params,
    check_dot,
    check_form,
    decoder_axes,
    is_dict,
    real_ids,
    sizes_of,
)
from seqlib.seq2seq._decoder import decode, decode_backward
from seqlib.seq2seq._memory import DecoderState, begin
from seqlib.seq2seq._model import check_gradients, first_tokens

INITS = ("project", "learned", "zero")


def captioner(
    images: Array,
    tgt: Array,
    params: Params,
    kind: str,
    context: str = "once",
    score: str = "additive",
    init: str = "project",
    tgt_mask: Array | None = None,
    return_weights: bool = False,
) -> tuple[Array, ...]:
    """See an image, and score each next token of its caption: teacher forcing.

    P(y_t | y_<t, I) = softmax(V s_t + b), s_t as the module says

    Parameters
    ----------
    images : (B, C, H, W)
    tgt : (B, T) integers, what the decoder is given: <sos> y_1 ... y_{T-1}; the logits
        at place t are for the token that follows
    params : flat dict. The decoder's names are those of `seq2seq`, M being the size of
        v (for attention that of the annotations, F). Before it:

        - `encoder.conv0.weight` (F_0, C, K, K), `encoder.conv0.bias` (F_0,), and so on.
          Each layer is a convolution that keeps the size, a relu, and a max pool that
          halves it (rounding down)
        - `encoder.fc.weight` (M, F H' W'), `encoder.fc.bias` (M,): v = relu(W a + b) of
          the last map a, flat, as the fc7 of VGG. Without it v is the mean over the
          map's places, which says what is there and not where
    kind, score : as for `seq2seq`
    context : "once", "every", "first" or "attention"
    init : the state before the first input: "project" for tanh(W v + b), "learned",
        "zero"
    tgt_mask : (B, T) booleans, True = real
    return_weights : True for the weights of attention too

    Returns
    -------
    logits : (B, T, V)
    weights : (B, T, H', W') over the map's places, only where return_weights is True
    cache : for `captioner_backward`

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; the sentence says what was expected and what came.

    Notes
    -----
    Equations (14.2) to (14.9) of the book. Sources: Vinyals et al. (2015), "Show and
    tell", is "first" with "zero"; Xu et al. (2015), "Show, attend and tell", is
    "attention" with "project" and v the mean; Mao et al. (2015) give the image at every
    step.
    """
    form = Form(kind, context, score, init)
    check_choices(form, return_weights)
    shapes(images=(images, "B C H W"), tgt=(tgt, "B T", "int"))
    tgt = _check(images, params, form, tgt, tgt_mask)
    memory, of_images = see(images, params)
    logits, weights, of_target = decode(tgt, memory, params, form, tgt_mask)
    cache = (params, logits.shape, of_images, of_target)
    if not return_weights:
        return logits, cache
    over_map = (*logits.shape[:2], *map_size(images, depth(params)))
    return logits, array_namespace(weights).reshape(weights, over_map), cache


def captioner_backward(
    dlogits: Array | None, cache: tuple, dweights: Array | None = None
) -> tuple[Array, Params]:
    """Gradients of `captioner`: at the images, and at all parameters.

    Parameters
    ----------
    dlogits : (B, T, V) gradient at the logits, None for zeros; on padding it is ignored
    cache : what `captioner` returned
    dweights : (B, T, H', W') gradient at the weights of attention, None for zeros

    Returns
    -------
    dimages (B, C, H, W), and a dict as params, in its order

    Raises
    ------
    ValueError, TypeError
        A gradient has not the shape, library or float type of what it belongs to, or
        dweights is given where there is no attention.

    Notes
    -----
    Equations (14.11) to (14.13) of the book.
    """
    params, shape, of_images, of_target = cache
    place = tuple(of_images[1].shape[2:])
    dlogits = check_gradients(dlogits, dweights, params, shape, of_target, place)
    if dweights is not None:
        xp = array_namespace(dweights)
        dweights = xp.reshape(dweights, (*shape[:2], -1))
    dmemory, grads = decode_backward(dlogits, dweights, of_target)
    dimages, of_convnet = see_backward(dmemory, of_images)
    grads |= of_convnet
    return dimages, {name: grads[name] for name in params}


def captioner_start(
    images: Array,
    sos: int,
    params: Params,
    kind: str,
    context: str = "once",
    score: str = "additive",
    init: str = "project",
) -> tuple[DecoderState, Array]:
    """See images for decoding: the `start` of `seqlib.decode`'s searches.

    Shapes: images (B, C, H, W); result a `DecoderState` and the token <sos>, (B,)
    integers. The steps are `seqlib.seq2seq.decoder_step`. Arguments, errors and
    sources: as for `captioner`; sos is one of the tokens.
    """
    form = Form(kind, context, score, init)
    check_choices(form)
    shapes(images=(images, "B C H W"))
    _check(images, params, form)
    memory, _ = see(images, params)
    return begin(memory, params, form)[0], first_tokens(sos, params, images)


def check_choices(form: Form, return_weights: bool = False) -> None:
    """Refuse unknown choices, and those that do not go together."""
    one_of("init", form.init, INITS)
    if form.context == "once" and form.init != "project":
        raise ValueError(
            f"init must be 'project' where context is 'once', the only way from the "
            f"image, got {form.init!r}"
        )
    check_form(form, return_weights)


def _check(
    images: Array,
    params: Params,
    form: Form,
    tgt: Array | None = None,
    tgt_mask: Array | None = None,
) -> Array | None:
    """Check all that the model is given; return the ids, 0 where they are padding."""
    is_dict(params)
    some = encoder_axes(params, 1, (1, 1))
    check_names(params, [*some, *decoder_axes(params, form, 1, 1, 1, 1)])
    L, (H, W) = depth(params), images.shape[2:]
    check_size("images", (H, W), L)
    axes = encoder_axes(params, images.shape[1], map_size(images, L))
    n = shapes(
        images=(images, "B C H W"),
        **{name: (params[name], a) for name, a in axes.items()},
    )
    F = n[f"F{L - 1}"]
    E, decoder = sizes_of(params, "decoder.")
    check_dot(form, decoder.H, F)
    axes = decoder_axes(params, form, E, decoder.H, n.get("M", F), F)
    n = shapes(
        images=(images, "B C H W"),
        **{name: (params[name], a) for name, a in axes.items()},
        **({} if tgt is None else {"tgt": (tgt, "B T", "int")}),
        tgt_mask=(tgt_mask, "B T?", "bool"),
    )
    return tgt if tgt is None else real_ids("tgt", tgt, tgt_mask, n["V"])
