"""Memory of backpropagation through time as T grows, and the time that saving it costs.

What counts is the most that a training step holds at one time, beside x, y and dy,
which every way of training has: numpy's arrays by tracemalloc, torch's tensors by its
profiler. Truncated backpropagation forgets all that is more than WINDOW steps back, and
its gradients are others; those of recomputation are the same.
"""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from turns import ONE, Record, Step, peak

from seqlib.checkpointing import checkpointed, checkpointed_backward
from seqlib.recurrent import init_params, recurrent, recurrent_backward

B, D, H, WINDOW = 8, 16, 64, 50
AT = [100, 200, 400, 800, 1600, 3200, 6400]
SIZES = (1600, 8, 64), (400, 32, 256)  # T, B, H: small steps, and large ones
WHOLE, OURS, CUT = "seqlib.recurrent", "seqlib.checkpointing", "truncated"
COUNTED = "counted, 12 H + D numbers a step"
TORCH, TORCHS = "torch.nn.LSTM", "torch.utils.checkpoint"


def on_numpy(kind: str, T: int, B: int = B, H: int = H) -> dict[str, Step]:
    """Return a training step of each way; each gives its gradients, and bytes of y."""
    rng = np.random.default_rng(0)
    params = init_params(kind, D, H, rng=rng)
    params = {name: a.astype("f4") for name, a in params.items()}
    x, dy = (rng.normal(size=(B, T, n)).astype("f4") for n in (D, H))

    def step(f: Callable, back: Callable) -> tuple[dict, int]:
        y, _, cache = f(kind, x, None, params)
        return back(dy, None, cache, input_gradient=False)[2], y.nbytes

    def truncated() -> tuple[dict, int]:
        state, grads = None, {name: np.zeros_like(a) for name, a in params.items()}
        for t in range(0, T, WINDOW):
            part = np.s_[:, t : t + WINDOW]
            _, state, cache = recurrent(kind, x[part], state, params)
            more = recurrent_backward(dy[part], None, cache, input_gradient=False)[2]
            for name, d in more.items():
                grads[name] += d
            del cache
        return grads, 0

    return {
        WHOLE: lambda: step(recurrent, recurrent_backward),
        CUT: truncated,
        OURS: lambda: step(checkpointed, checkpointed_backward),
    }


def on_torch(T: int) -> dict[str, Step]:
    """Return a training step of torch.nn.LSTM whole, and recomputed by torch."""
    torch.manual_seed(0)
    model = nn.LSTM(D, H, batch_first=True)
    x, dy = torch.randn(B, T, D), torch.randn(B, T, H)

    def whole() -> None:
        model.zero_grad()
        model(x)[0].backward(dy)

    def recomputed() -> None:
        model.zero_grad()
        k, outs, state = math.isqrt(T), [], None
        for part in x.split(k, dim=1):
            y, state = checkpoint(model, part, state, use_reentrant=False)
            outs.append(y)
        torch.autograd.backward(outs, dy.split(k, dim=1))

    return {TORCH: whole, TORCHS: recomputed}


def traced(step: Step) -> float:
    """Return the most that numpy held during a step, y apart, in MB."""
    step()
    tracemalloc.start()
    _, bytes_of_y = step()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (most - bytes_of_y) / 1e6


def counted(T: int) -> float:
    """Return what a float32 LSTM holds on its way back, in MB, by counting.

    A step leaves i, f, g, o, c, tanh(c) and h; the way back adds the gradients at the
    four gates, and all h and all x in one piece each for the weights' products.
    """
    return 4 * B * T * (7 * H + 4 * H + H + D) / 1e6


def measure(record: Record) -> None:
    """Measure memory and time over T, and recomputation beside the whole."""
    beside = {**ONE.words, "aim": None, "why": ""}
    for kind, (T, *sizes) in product(("rnn", "gru", "lstm"), SIZES):
        steps = on_numpy(kind, T, *sizes)
        name = f"{kind.upper()}, T = {T}, batch {sizes[0]}, H = {sizes[1]}"
        record.race(name, {OURS: steps[OURS]}, {WHOLE: steps[WHOLE]})
        ours, theirs = ((key, traced(steps[key])) for key in (OURS, WHOLE))
        ratio = ours[1] / theirs[1]
        record.row(f"{name}, memory", ours, theirs, ratio, [ratio] * 2, "MB", **beside)
    for what, ways, most in (
        ("LSTM on numpy", lambda T: on_numpy("lstm", T), traced),
        ("LSTM on torch", on_torch, peak),
    ):
        found: dict[str, list[float]] = {}
        for T in AT:
            for name, step in ways(T).items():
                y = 4e-6 * B * H * T * (most is peak)
                found.setdefault(name, []).append(most(step) - y)
        if WHOLE in found:
            found[COUNTED] = [counted(T) for T in AT]
        record.curves(f"{what}, memory of a step", "T", AT, found, "MB")
        record.grow(f"{what}, training step", "T", AT, ways)
