"""The recurrent modules: constructors as torch.nn's, and the form of the state."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seqlib._check import one_of
from seqlib.nn._base import Recurrent, pair_of

KINDS = {"tanh": "rnn", "relu": "rnn_relu"}
FORMS = {"after": "gru", "before": "gru_before"}


class RNN(Recurrent, torch.nn.RNN):
    """Elman's recurrent network; arguments, results and state_dict as `torch.nn.RNN`.

    Parameters
    ----------
    input_size, hidden_size, num_layers, nonlinearity, bias, dropout, bidirectional
        As `torch.nn.RNN`; nonlinearity is "tanh" or "relu".
    batch_first : True unless said (torch: False), so that input is (B, T, D)
    backward : "hand" for the book's own backward pass, "autograd" for torch's

    Notes
    -----
    Equations (5.1) to (5.6) of the book forward, (6.9) to (6.12) backward. Input may be
    (B, T, D), (T, D) without a batch, or a PackedSequence; `forward(x, hx, mask=...)`
    takes a boolean mask (B, T) for ragged batches. Source: Elman (1990).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        *args: Any,
        **options: Any,
    ) -> None:
        one_of("nonlinearity", nonlinearity, KINDS)
        options["nonlinearity"] = nonlinearity
        super().__init__(input_size, hidden_size, num_layers, *args, **options)

    @property
    def kind(self) -> str:  # type: ignore[override]
        """What `recurrent` calls this network."""
        return KINDS[self.nonlinearity]


class LSTM(Recurrent, torch.nn.LSTM):
    """Long short-term memory; arguments, results and state_dict as `torch.nn.LSTM`.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, dropout, bidirectional
        As `torch.nn.LSTM`.
    batch_first : True unless said (torch: False), so that input is (B, T, D)
    proj_size : 0; outputs are not projected here
    backward : "hand" for the book's own backward pass, "autograd" for torch's

    Notes
    -----
    The state is a tuple (h, c). Input may be (B, T, D), (T, D) without a batch, or a
    PackedSequence; `forward(x, hx, mask=...)` takes a boolean mask (B, T) for ragged
    batches. The equations stand in `seqlib.lstm`. Sources: Hochreiter & Schmidhuber
    (1997); Gers, Schmidhuber & Cummins (2000).
    """

    kind = "lstm"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *args: Any,
        **options: Any,
    ) -> None:
        if proj_size:
            raise ValueError(
                f"proj_size must be 0, got {proj_size!r}: outputs are not projected "
                f"here, so put a Linear layer after the LSTM"
            )
        first = input_size, hidden_size, num_layers, bias, batch_first
        super().__init__(*first, dropout, bidirectional, *args, **options)

    def _named(self, hx: Any) -> dict[str, Any]:
        if hx is None:
            return {}
        h, c = pair_of(hx)
        return {"hx[0]": h, "hx[1]": c}

    def _as_torch(self, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return state


class GRU(Recurrent, torch.nn.GRU):
    """Gated recurrent unit; arguments, results and state_dict as `torch.nn.GRU`.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, dropout, bidirectional
        As `torch.nn.GRU`.
    batch_first : True unless said (torch: False), so that input is (B, T, D)
    reset : "after" the product with the state, as torch's, or "before" it, as the paper
    backward : "hand" for the book's own backward pass, "autograd" for torch's

    Notes
    -----
    Input may be (B, T, D), (T, D) without a batch, or a PackedSequence;
    `forward(x, hx, mask=...)` takes a boolean mask (B, T) for ragged batches. The
    equations stand in `seqlib.gru`. Source: Cho et al. (2014).
    """

    def __init__(self, *args: Any, reset: str = "after", **options: Any) -> None:
        one_of("reset", reset, FORMS)
        super().__init__(*args, **options)
        self.reset = reset

    @property
    def kind(self) -> str:  # type: ignore[override]
        """What `recurrent` calls this network."""
        return FORMS[self.reset]

    def extra_repr(self) -> str:
        """Show the form too, where it is not torch's."""
        form = "" if self.reset == "after" else f", reset={self.reset!r}"
        return super().extra_repr() + form
