"""One training step of RNN, LSTM and GRU beside torch.nn's.

Forward and backward, T=100 B=64 D=128 H=256: torch.nn's; our modules, with the book's
backward pass and with autograd's; the array functions on numpy; and torch's own cell
called step by step under autograd, as a loop written without thinking of speed.

    python benchmarks/rnn_step.py
"""

from __future__ import annotations

from collections.abc import Callable

from turns import compare

# numpy and torch come after it: they read the threads at their import
# isort: split
import torch
from torch import Tensor, nn

from seqlib.nn import GRU, LSTM, RNN
from seqlib.recurrent import recurrent, recurrent_backward

T, B, D, H = 100, 64, 128, 256


def training_step(model: nn.Module, x: Tensor) -> Callable[[], None]:
    """Return a function that does one forward and one backward pass."""

    def step() -> None:
        model.zero_grad()
        y, _ = model(x)
        y.square().mean().backward()

    return step


def on_numpy(model: nn.RNNBase, kind: str, x: Tensor) -> Callable[[], None]:
    """Return the same for the array functions and the same parameters."""
    params = {name: p.detach().numpy() for name, p in model.named_parameters()}
    array = x.numpy()

    def step() -> None:
        y, _, cache = recurrent(kind, array, None, params)
        recurrent_backward(2 / y.size * y, None, cache, input_gradient=False)

    return step


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


def main() -> None:
    """Compare the candidates of each cell."""
    torch.manual_seed(0)
    x = torch.randn(B, T, D)
    for ours in (RNN, LSTM, GRU):
        name = ours.__name__
        theirs = getattr(nn, name)(D, H, batch_first=True)
        models = {
            f"torch.nn.{name}": theirs,
            f'seqlib.nn.{name}, backward="hand"': ours(D, H),
            f'seqlib.nn.{name}, backward="autograd"': ours(D, H, backward="autograd"),
            f"torch.nn.{name}Cell, unrolled": Unrolled(
                getattr(nn, f"{name}Cell")(D, H)
            ),
        }
        if ours is GRU:
            models['seqlib.nn.GRU, reset="before"'] = GRU(D, H, reset="before")
        steps = {name: training_step(model, x) for name, model in models.items()}
        steps["seqlib.recurrent on numpy"] = on_numpy(theirs, name.lower(), x)
        compare(f"{name}, training step, T={T} B={B} D={D} H={H}", steps)


if __name__ == "__main__":
    main()
