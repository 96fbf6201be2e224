"""RNN, GRU and LSTM, training and inference, beside torch.nn's and a loop of cells.

Ours are the module, with the book's backward pass, and the array functions on numpy:
backpropagation through time without torch. The loop calls torch's own cell step by
step, as one writes it without thinking of speed; autograd goes back through it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from turns import Record, Setting, Step, settings

from seqlib import nn as own
from seqlib.recurrent import recurrent, recurrent_backward

T, B, D, H = 100, 64, 128, 256
CELLS = ("RNN", "GRU", "LSTM")
AIMS = {"RNN": 1.0, "GRU": 1.0, "LSTM": 1.3}
AXES = {"T": [25, 50, 100, 200], "H": [64, 128, 256, 512], "batch": [8, 16, 32, 64]}
STEPS = (
    "Ours takes its steps in Python, which torch.nn does without: below, what "
    "_Function and _FunctionBackward take for themselves."
)
WHY = {
    "RNN": STEPS,
    "GRU": STEPS,
    "LSTM": f"Torch leaves all steps to one call of oneDNN, mkldnn_rnn_layer. {STEPS}",
}


class Unrolled(nn.Module):
    """torch.nn's cell in a loop."""

    def __init__(self, cell: nn.RNNCellBase) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Return the outputs (B, T, H)."""
        state, outs = None, []
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
            outs.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(outs, dim=1), None


def training(model: nn.Module, x: Tensor) -> Step:
    """Return a function that does one forward and one backward pass."""

    def step() -> None:
        model.zero_grad()
        y, _ = model(x)
        y.square().mean().backward()

    return step


def inference(model: nn.Module, x: Tensor) -> Step:
    """Return a function that does a forward pass of which nothing is recorded."""

    @torch.no_grad()
    def step() -> None:
        model(x)

    return step


def on_numpy(model: nn.RNNBase, name: str, x: Tensor, train: bool) -> Step:
    """Return the same for the array functions and the same parameters."""
    params = {name: p.detach().numpy() for name, p in model.named_parameters()}
    array = x.numpy()

    def step() -> None:
        y, _, cache = recurrent(name.lower(), array, None, params)
        if train:
            recurrent_backward(2 / y.size * y, None, cache, input_gradient=False)

    return step


def pair(name: str, H: int = H) -> tuple[nn.Module, nn.RNNBase]:
    """Return ours and theirs, with the same weights."""
    ours, theirs = getattr(own, name)(D, H), getattr(nn, name)(D, H, batch_first=True)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def race(record: Record, name: str, setting: Setting, way: Callable) -> None:
    """Compare one cell's candidates in one setting."""
    x = torch.randn(B, T, D).to(setting.device, setting.dtype)
    modules = *pair(name), Unrolled(getattr(nn, f"{name}Cell")(D, H))
    ours, theirs, loop = (m.to(setting.device, setting.dtype) for m in modules)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-2, atol=1e-3)
    mine = {f"seqlib.nn.{name}": way(ours, x)}
    if setting.device == "cpu":
        numpy = on_numpy(theirs, name, x, way is training)
        mine["seqlib.recurrent on numpy"] = numpy
    others = {
        f"torch.nn.{name}": way(theirs, x),
        f"torch.nn.{name}Cell in a loop": way(loop, x),
    }
    aim = AIMS[name] if way is training and setting.device == "cpu" else None
    what = f"{name}, {'training step' if way is training else 'inference'}"
    record.race(what, mine, others, setting, aim, WHY[name])


def growing(name: str, axis: str) -> Callable[[int], dict[str, Step]]:
    """Return a function from a size on an axis to the steps to time."""

    def make(n: int) -> dict[str, Step]:
        size = {"T": T, "H": H, "batch": B, axis: n}
        x = torch.randn(size["batch"], size["T"], D)
        models = pair(name, size["H"])
        names = f"seqlib.nn.{name}", f"torch.nn.{name}"
        return {k: training(m, x) for k, m in zip(names, models, strict=True)}

    return make


def measure(record: Record) -> None:
    """Measure the three cells."""
    torch.manual_seed(0)
    for setting in settings():
        for name in CELLS:
            for way in (training, inference):
                race(record, name, setting, way)
    for name in CELLS:
        for axis, at in AXES.items():
            record.grow(f"{name}, training step", axis, at, growing(name, axis))
        record.profile(f"{name}, training step", growing(name, "T")(T))
