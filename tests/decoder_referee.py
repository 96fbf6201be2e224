"""Encoder and decoders out of torch's own parts, one pair of sequences at a time.

Nothing here knows of masks: padding is cut off before. Of `seqlib` it has only the
names of the parameters.
"""

import torch

MODULES = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
CELLS = {"rnn": torch.nn.RNNCell, "lstm": torch.nn.LSTMCell, "gru": torch.nn.GRUCell}


def under(prefix, params):
    return {k[len(prefix) :]: a for k, a in params.items() if k.startswith(prefix)}


def call(module, params, *inputs):
    """Call a module with these tensors for its parameters, gradients and all."""
    return torch.func.functional_call(module, params, inputs)


def as_tuple(state):
    return state if isinstance(state, tuple) else (state,)


def for_torch(state):
    """Give torch an LSTM's state as a pair, and any other as it is."""
    return state if len(state) == 2 else state[0]


def network(kind, params, x, state=None):
    """Run torch.nn's RNN, LSTM or GRU over x (1, T, D); these are its parameters."""
    H = params["weight_hh_l0"].shape[1]
    L = sum(name.startswith("weight_ih") and "rev" not in name for name in params)
    two = "weight_ih_l0_reverse" in params
    bias = "bias_ih_l0" in params
    options = {"batch_first": True, "bidirectional": two, "bias": bias}
    module = MODULES[kind](x.shape[-1], H, L, **options).to(x.dtype)
    y, last = call(module, params, x, *(() if state is None else (for_torch(state),)))
    return y, as_tuple(last)


def encoder(kind, params, src):
    """Annotations (1, S, M), summary (1, M) and last state for src (1, S)."""
    own = under("encoder.", params)
    x = torch.nn.functional.embedding(src, own.pop("embedding.weight"))
    y, last = network(kind, own, x)
    if "weight_ih_l0_reverse" in own:
        summary = torch.cat([last[0][-2], last[0][-1]], dim=-1)
    else:
        summary = last[0][-1]
    return y, summary, last


def first_state(kind, params, init, summary, last):
    if init == "copy":
        return last
    own = under("decoder.", params)
    L = sum(name.startswith("weight_ih") for name in own)
    N, H = (2 if kind == "lstm" else 1), own["weight_hh_l0"].shape[1]
    if init == "zero":
        flat = torch.zeros(N, L, H, dtype=summary.dtype)
    elif init == "learned":
        flat = params["init.state"]
    else:
        z = torch.nn.functional.linear(
            summary[0], params["init.weight"], params["init.bias"]
        )
        flat = torch.tanh(z).reshape(N, L, H)
    return tuple(flat[i][:, None, :] for i in range(N))


def scores(kind, params, s, h):
    """Compare one state s (H,) with annotations h (S, M), place by place."""
    e = []
    for h_j in h:
        if kind == "dot":
            e.append((s * h_j).sum())
        elif kind == "bilinear":
            e.append(torch.nn.functional.bilinear(s, h_j, params["attention.W"][None]))
        else:
            z = params["attention.W_q"] @ s + params["attention.W_k"] @ h_j
            e.append(params["attention.w"] @ torch.tanh(z))
    return torch.stack([a.reshape(()) for a in e])


def decoder(kind, params, context, score, init, tgt, memory):
    """Logits (T, V) and weights (T, S) or None for tgt (1, T) and one memory."""
    annotations, summary, last = memory
    own = under("decoder.", params)
    x = torch.nn.functional.embedding(tgt, own.pop("embedding.weight"))
    state = first_state(kind, params, init, summary, last)
    weights = None
    if context == "every":
        x = torch.cat([x, summary[:, None].expand(-1, x.shape[1], -1)], dim=-1)
    if context == "first":
        image = torch.nn.functional.linear(
            summary, params["first.weight"], params["first.bias"]
        )
        x = torch.cat([image[:, None], x], dim=1)
    if context == "attention":
        y, weights = attend(kind, params, own, score, x, state, annotations)
    else:
        y, _ = network(kind, own, x, state)
    if context == "first":
        y = y[:, 1:]
    logits = torch.nn.functional.linear(
        y, params["output.weight"], params["output.bias"]
    )
    return logits[0], weights


def attend(kind, params, own, score, x, state, annotations):
    """One step after the other: scores, softmax, average, and torch.nn's cell."""
    suffixed = {k: a for k, a in own.items() if k.endswith("_l0")}
    cell_params = {k.removesuffix("_l0"): a for k, a in suffixed.items()}
    H = state[0].shape[-1]
    wide = x.shape[-1] + annotations.shape[-1]
    cell = CELLS[kind](wide, H, bias="bias_ih" in cell_params).to(x.dtype)
    s, outs, weights = tuple(a[0] for a in state), [], []
    for t in range(x.shape[1]):
        p = torch.softmax(scores(score, params, s[0][0], annotations[0]), dim=0)
        c = sum(p[j] * annotations[:, j] for j in range(len(p)))
        given = torch.cat([x[:, t], c], dim=-1)
        s = as_tuple(call(cell, cell_params, given, for_torch(s)))
        outs.append(s[0])
        weights.append(p)
    y = torch.stack(outs, dim=1)
    if len(suffixed) < len(own):
        above = {
            f"{k[:-1]}{int(k[-1]) - 1}": a for k, a in own.items() if k not in suffixed
        }
        y, _ = network(kind, above, y, tuple(a[1:] for a in state))
    return y, torch.stack(weights)
