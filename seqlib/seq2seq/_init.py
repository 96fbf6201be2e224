"""Parameters drawn for an encoder-decoder, and for whatever shares its decoder."""

from __future__ import annotations

import numpy as np

from seqlib._check import flags, generator, whole
from seqlib.recurrent import CELLS, init_params
from seqlib.seq2seq._checks import Form, Stack, check_copy, check_dot, check_form

Drawn = dict[str, np.ndarray]


def init_seq2seq(
    kind: str,
    src_size: int,
    tgt_size: int,
    embedding_size: int,
    hidden_size: int,
    num_layers: int = 1,
    bidirectional: bool = False,
    context: str = "once",
    score: str = "additive",
    init: str = "copy",
    decoder_size: int | None = None,
    attention_size: int | None = None,
    rng: np.random.Generator | None = None,
) -> Drawn:
    """Draw parameters for `seq2seq`, float64, by torch's rules.

    Embeddings are normal with variance 1; recurrent weights uniform in ±1/sqrt(H);
    every linear map in ±1/sqrt(inputs); a learned first state starts from zeros.

    src_size and tgt_size are those of the two vocabularies, hidden_size is the
    encoder's H in each direction, decoder_size the decoder's H' (hidden_size unless
    given), attention_size the A of additive scores (H' unless given); kind, context,
    score and init as for `seq2seq`, whose docstring lists names and shapes. Only the
    encoder can be bidirectional. Without rng, a numpy generator, each call draws anew.
    Errors: a size is no whole number above 0; choices that do not go together.
    """
    form = Form(kind, context, score, init)
    check_form(form)
    H = hidden_size if decoder_size is None else decoder_size
    sizes = {
        "src_size": src_size,
        "tgt_size": tgt_size,
        "embedding_size": embedding_size,
        "hidden_size": hidden_size,
        "num_layers": num_layers,
        "decoder_size": H,
    }
    for name, size in sizes.items():
        whole(name, size, 1)
    flags(bidirectional=bidirectional)
    ways, M = 1 + bidirectional, hidden_size * (1 + bidirectional)
    rng = np.random.default_rng() if rng is None else rng
    generator("rng", rng)
    decoder = Stack(num_layers, 1, H)
    check_copy(form, Stack(num_layers, ways, hidden_size), decoder)
    params = {"encoder.embedding.weight": rng.normal(size=(src_size, embedding_size))}
    drawn = init_params(
        kind, embedding_size, hidden_size, num_layers, bidirectional, rng
    )
    params |= {f"encoder.{name}": a for name, a in drawn.items()}
    memory = M, M
    decoder_sizes = tgt_size, embedding_size, decoder
    return params | init_decoder(form, decoder_sizes, memory, attention_size, rng)


def init_decoder(
    form: Form,
    sizes: tuple[int, int, Stack],
    memory: tuple[int, int],
    attention_size: int | None,
    rng: np.random.Generator,
) -> Drawn:
    """Draw a decoder's parameters; memory: the vector's size and the annotations'."""
    (V, E, (L, _, H)), (M, A) = sizes, memory
    size = H if attention_size is None else attention_size
    whole("attention_size", size, 1)
    check_dot(form, H, A)
    more = {"every": M, "attention": A}.get(form.context, 0)
    drawn = init_params(form.kind, E + more, H, L, rng=rng)
    params = {"decoder.embedding.weight": rng.normal(size=(V, E))}
    params |= {f"decoder.{name}": a for name, a in drawn.items()}
    params |= linear_map("output", V, H, rng)
    if form.context == "attention" and form.score == "bilinear":
        params["attention.W"] = uniform((H, A), H, rng)
    if form.context == "attention" and form.score == "additive":
        params["attention.W_q"] = uniform((size, H), H, rng)
        params["attention.W_k"] = uniform((size, A), A, rng)
        params["attention.w"] = uniform((size,), size, rng)
    if form.context == "first":
        params |= linear_map("first", E, M, rng)
    N = CELLS[form.kind].states
    if form.init == "project":
        params |= linear_map("init", N * L * H, M, rng)
    if form.init == "learned":
        params["init.state"] = np.zeros((N, L, H))
    return params


def linear_map(name: str, out: int, fan_in: int, rng: np.random.Generator) -> Drawn:
    """Draw `name.weight` (out, fan_in) and `name.bias` (out,)."""
    return {
        f"{name}.weight": uniform((out, fan_in), fan_in, rng),
        f"{name}.bias": uniform((out,), fan_in, rng),
    }


def uniform(
    shape: tuple[int, ...], fan_in: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw uniformly from ±1/sqrt(fan_in)."""
    return rng.uniform(-(fan_in**-0.5), fan_in**-0.5, shape)
