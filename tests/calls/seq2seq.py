"""One small good call of every public function of `seqlib.seq2seq`."""

import numpy as np

from seqlib.seq2seq import (
    decoder_step,
    init_seq2seq,
    seq2seq,
    seq2seq_start,
    sequence_log_prob,
)

_rng = np.random.default_rng(0)
_form = {"kind": "gru", "context": "attention", "score": "additive", "init": "project"}
_drawn = init_seq2seq("gru", 4, 5, 2, 3, 1, True, *list(_form.values())[1:], rng=_rng)
_params = {name: a + 0.2 * _rng.normal(size=a.shape) for name, a in _drawn.items()}
_src = np.array([[1, 3, 2], [2, 1, 0]])
_src_mask = np.array([[True, True, True], [True, True, False]])
_state, _token = seq2seq_start(_src, 1, _params, **_form, src_mask=_src_mask)

_every = {"kind": "lstm", "context": "every", "init": "learned"}
_other = init_seq2seq("lstm", 4, 5, 2, 3, 2, True, "every", init="learned", rng=_rng)
_dot = init_seq2seq("rnn", 4, 5, 2, 3, 1, False, "attention", "dot", "copy", rng=_rng)
_first = init_seq2seq("gru", 4, 5, 2, 3, 1, True, "first", init="zero", rng=_rng)

CALLS = {
    seq2seq: {
        "src": _src,
        "tgt": np.array([[0, 2, 4, 3], [0, 1, 3, 0]]),
        "params": _params,
        **_form,
        "src_mask": _src_mask,
        "tgt_mask": np.array([[True] * 4, [True] * 3 + [False]]),
    },
    seq2seq_start: {
        "src": _src,
        "sos": 0,
        "params": _params,
        **_form,
        "src_mask": _src_mask,
    },
    decoder_step: {
        "state": _state,
        "token": _token,
        "params": _params,
        "kind": "gru",
        "context": "attention",
        "score": "additive",
    },
    sequence_log_prob: {
        "logits": _rng.normal(size=(2, 3, 4)),
        "targets": np.array([[1, 3, 0], [2, 2, 1]]),
        "mask": np.array([[True, True, True], [True, True, False]]),
    },
    init_seq2seq: {
        "kind": "lstm",
        "src_size": 4,
        "tgt_size": 5,
        "embedding_size": 2,
        "hidden_size": 3,
        "num_layers": 2,
        "bidirectional": True,
        "context": "attention",
        "score": "additive",
        "init": "project",
        "decoder_size": 4,
        "attention_size": 2,
        "rng": np.random.default_rng(1),
    },
}
VARIANTS = {
    seq2seq: [
        {"return_weights": True},
        {"params": _dot, "kind": "rnn", "score": "dot", "init": "copy"},
        {"params": _other, **_every},
        {"params": _first, "context": "first", "init": "zero"},
    ],
}
DONE = "the encoder's, and what made the first state: they have done their work"
EXCEPTIONS = {
    **{
        (decoder_step, f"params[{part}*", "*"): DONE for part in ("'encoder.", "'init.")
    },
    (decoder_step, "params", "without encoder.*|without init.*"): DONE,
    (seq2seq, "params['encoder.embedding.weight']", "axis 0 longer"): "more words",
    (decoder_step, "state[4]", "None"): "no mask: all of it is real",
}
