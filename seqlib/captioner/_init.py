"""Parameters drawn for a captioner."""

from __future__ import annotations

import numpy as np

from seqlib._check import generator, whole
from seqlib.captioner._convnet import check_size
from seqlib.captioner._model import check_choices
from seqlib.seq2seq._checks import Form, Stack
from seqlib.seq2seq._init import init_decoder, linear_map, uniform


def init_captioner(
    kind: str,
    image_size: tuple[int, int, int],
    tgt_size: int,
    channels: tuple[int, ...],
    embedding_size: int,
    hidden_size: int,
    num_layers: int = 1,
    context: str = "once",
    score: str = "additive",
    init: str = "project",
    kernel_size: int = 3,
    vector_size: int | None = None,
    attention_size: int | None = None,
    rng: np.random.Generator | None = None,
) -> dict[str, np.ndarray]:
    """Draw parameters for `captioner`, float64, by the rules of `init_seq2seq`.

    image_size is (C, H, W); channels are those of the convolutions, one for each,
    kernel_size that of all; vector_size is the size of v if a layer of its own makes it
    from the map, None if v is the map's mean; the rest is as for `init_seq2seq`. The
    convolutions are drawn uniformly with the variance 2 / (C K K), right for a relu
    (He et al., 2015). Errors: a size is no whole number above 0; the image is too
    small; choices that do not go together.
    """
    form = Form(kind, context, score, init)
    check_choices(form)
    for name, given, count in (
        ("image_size", image_size, 3),
        ("channels", channels, 0),
    ):
        if not isinstance(given, tuple) or len(given) != (count or max(1, len(given))):
            wanted = "(C, H, W)" if count else "of whole numbers, one a layer"
            raise TypeError(f"{name} must be a tuple {wanted}, got {given!r}")
        for size in given:
            whole(name, size, 1)
    sizes = {
        "tgt_size": tgt_size,
        "embedding_size": embedding_size,
        "hidden_size": hidden_size,
        "num_layers": num_layers,
        "kernel_size": kernel_size,
        "vector_size": 1 if vector_size is None else vector_size,
    }
    for name, size in sizes.items():
        whole(name, size, 1)
    C, *place = image_size
    depth = len(channels)
    check_size("image_size", (place[0], place[1]), depth)
    rng = np.random.default_rng() if rng is None else rng
    generator("rng", rng)
    params = {}
    for k, F in enumerate(channels):
        fan_in = C * kernel_size**2
        shape = (F, C, kernel_size, kernel_size)
        params[f"encoder.conv{k}.weight"] = 6**0.5 * uniform(shape, fan_in, rng)
        params[f"encoder.conv{k}.bias"] = np.zeros(F)
        C = F
    vector = C
    if vector_size is not None:
        flat = C * (place[0] >> depth) * (place[1] >> depth)
        params |= linear_map("encoder.fc", vector_size, flat, rng)
        vector = vector_size
    sizes_of_all = tgt_size, embedding_size, Stack(num_layers, 1, hidden_size)
    return params | init_decoder(form, sizes_of_all, (vector, C), attention_size, rng)
