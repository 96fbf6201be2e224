"""What an encoder-decoder is made of: its form, its parameters' names and shapes."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from seqlib._arrays import Array, array_namespace
from seqlib._check import flag, in_range, one_of, shapes
from seqlib._params import names_of
from seqlib.recurrent import CELLS

CONTEXTS = ("once", "every", "first", "attention")
SCORES = ("dot", "bilinear", "additive")
INITS = ("copy", "project", "learned", "zero")
Params = dict[str, Array]


class Form(NamedTuple):
    """The choices that make one model out of the family."""

    kind: str
    context: str
    score: str
    init: str


class Stack(NamedTuple):
    """The sizes of one recurrent network: layers, directions, hidden size."""

    L: int
    ways: int
    H: int


def check_form(form: Form, return_weights: bool = False) -> None:
    """Refuse unknown choices, and those that do not go together."""
    one_of("kind", form.kind, CELLS)
    one_of("context", form.context, CONTEXTS)
    one_of("score", form.score, SCORES)
    one_of("init", form.init, INITS)
    if form.context == "once" and form.init in ("learned", "zero"):
        raise ValueError(
            f"init must be 'copy' or 'project' where context is 'once', the only way "
            f"from the source, got {form.init!r}"
        )
    flag("return_weights", return_weights)
    if return_weights and form.context != "attention":
        raise ValueError(
            f"context must be 'attention' where return_weights is True, "
            f"got {form.context!r}"
        )


def check_copy(form: Form, encoder: Stack, decoder: Stack) -> None:
    """Refuse to copy a state into a decoder that it does not fit."""
    if form.init == "copy" and (encoder.ways > 1 or encoder != decoder):
        raise ValueError(
            f"init must be 'project', 'learned' or 'zero' where the encoder has "
            f"{_told(encoder)} and the decoder {_told(decoder)}, got 'copy'"
        )


def _told(stack: Stack) -> str:
    directions = ", 2 directions" if stack.ways > 1 else ""
    return f"(L={stack.L}, H={stack.H}{directions})"


def is_dict(params: Any) -> None:
    """Raise a TypeError unless the parameters are a dict."""
    if not isinstance(params, dict):
        raise TypeError(
            f"params must be a dict from names to arrays, got {type(params).__name__}"
        )


def suffixes(params: Params, prefix: str) -> list[list[str]]:
    """Return the layers' suffixes, `[["l0", "l0_reverse"], ...]`, as the names say."""
    ways = ("", "_reverse") if f"{prefix}weight_ih_l0_reverse" in params else ("",)
    pattern = re.escape(prefix) + r"weight_ih_l\d+"
    depth = sum(re.fullmatch(pattern, str(name)) is not None for name in params)
    return [[f"l{k}{way}" for way in ways] for k in range(max(depth, 1))]


def stack_axes(
    params: Params, prefix: str, kind: str, D: int, H: int
) -> dict[str, str]:
    """Return the axes of one recurrent network's parameters, for inputs of size D."""
    layers = suffixes(params, prefix)
    rows = CELLS[kind].blocks * H
    count = 4 if f"{prefix}bias_ih_l0" in params else 2
    axes = {}
    for k, layer in enumerate(layers):
        fan_in = H * len(layer) if k else D
        for suffix in layer:
            sizes = (f"{rows} {fan_in}", f"{rows} {H}", f"{rows}", f"{rows}")
            for name, size in list(zip(names_of(suffix), sizes, strict=True))[:count]:
                axes[prefix + name] = size
    return axes


def decoder_axes(
    params: Params, form: Form, E: int, H: int, vector: int, annotation: int
) -> dict[str, str]:
    """Return the axes of all that is the decoder's, for a memory of these sizes."""
    more = {"every": vector, "attention": annotation}.get(form.context, 0)
    axes = {"decoder.embedding.weight": f"V {E}"}
    axes |= stack_axes(params, "decoder.", form.kind, E + more, H)
    axes |= {"output.weight": f"V {H}", "output.bias": "V"}
    if form.context == "first":
        axes |= {"first.weight": f"{E} {vector}", "first.bias": f"{E}"}
    if form.context == "attention":
        axes |= {
            "dot": {},
            "bilinear": {"attention.W": f"{H} {annotation}"},
            "additive": {
                "attention.W_q": f"A {H}",
                "attention.W_k": f"A {annotation}",
                "attention.w": "A",
            },
        }[form.score]
    N, L = CELLS[form.kind].states, len(suffixes(params, "decoder."))
    if form.init == "project":
        axes |= {"init.weight": f"{N * L * H} {vector}", "init.bias": f"{N * L * H}"}
    if form.init == "learned":
        axes |= {"init.state": f"{N} {L} {H}"}
    return axes


def check_dot(form: Form, H: int, annotation: int) -> None:
    """Refuse products of vectors of different sizes."""
    if form.context == "attention" and form.score == "dot" and annotation != H:
        raise ValueError(
            f"score must be 'bilinear' or 'additive' where the decoder has H={H} and "
            f"the annotations have {annotation}, got 'dot'"
        )


def sizes_of(params: Params, prefix: str) -> tuple[int, Stack]:
    """Return the embedding's size and those of the recurrent network behind it."""
    names = f"{prefix}embedding.weight", f"{prefix}weight_hh_l0"
    n = shapes(
        **{names[0]: (params[names[0]], "V E"), names[1]: (params[names[1]], "G H")}
    )
    layers = suffixes(params, prefix)
    return n["E"], Stack(len(layers), len(layers[0]), n["H"])


def real_ids(name: str, ids: Array, mask: Array | None, V: int) -> Array:
    """Check ids where they are real, and put 0 where they are not."""
    xp = array_namespace(ids)
    ids = ids if mask is None else xp.where(mask, ids, xp.zeros_like(ids))
    in_range(name, ids, V)
    return ids


def under(prefix: str, params: Params) -> Params:
    """Return the parameters of one part, without its prefix."""
    n = len(prefix)
    return {name[n:]: a for name, a in params.items() if name.startswith(prefix)}
