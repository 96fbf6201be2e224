"""One small good call of every public function of `seqlib.captioner`."""

import numpy as np

from seqlib.captioner import captioner, captioner_start, init_captioner

_rng = np.random.default_rng(0)
_form = {"kind": "gru", "context": "attention", "score": "additive", "init": "project"}
_draw = {
    "image_size": (2, 7, 6),
    "tgt_size": 5,
    "channels": (3,),
    "embedding_size": 2,
    "hidden_size": 4,
    "vector_size": 4,
    "attention_size": 3,
}
_drawn = init_captioner(**_form, **_draw, rng=_rng)
_params = {name: a + 0.2 * _rng.normal(size=a.shape) for name, a in _drawn.items()}
_params["encoder.conv0.weight"] = _rng.normal(size=(3, 2, 1, 10))
_images = _rng.normal(size=(2, 2, 7, 6))

CALLS = {
    captioner: {
        "images": _images,
        "tgt": np.array([[0, 2, 4], [0, 1, 0]]),
        "params": _params,
        **_form,
        "tgt_mask": np.array([[True, True, True], [True, True, False]]),
    },
    captioner_start: {
        "images": _rng.normal(size=(8, 2, 7, 6)),
        "sos": 0,
        "params": _params,
        **_form,
    },
    init_captioner: {**_form, **_draw, "rng": np.random.default_rng(1)},
}
VARIANTS = {captioner: [{"return_weights": True}]}
EXCEPTIONS = {
    (init_captioner, "channels", "one *"): "a layer more, or less",
}
