"""What RNN, LSTM and GRU share: everything but the state's form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence
from torch.nn.utils.rnn import pack_padded_sequence as pack

from seqlib._check import number, one_of, shapes, whole
from seqlib.nn._by_hand import by_hand, chance
from seqlib.recurrent import CELLS, recurrent, recurrent_backward


def pair_of(hx: Any) -> tuple[Any, Any]:
    """Return h and c, or raise a TypeError unless hx is a pair."""
    many = isinstance(hx, tuple | list)
    if not many or len(hx) != 2:
        got = f"{len(hx)} arrays" if many else type(hx).__name__
        raise TypeError(f"hx must be a tuple (h, c), got {got}")
    return hx[0], hx[1]


def over_time(
    f: Callable,
    f_backward: Callable,
    x: Tensor,
    state: tuple[Tensor, ...],
    params: dict[str, Tensor],
    backward: str,
    **options: Any,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run `recurrent`, or `convlstm`: the outputs and the last state."""
    wanted = x.requires_grad

    def forwards(x: Tensor, *rest: Any) -> tuple:
        *first, params = rest
        y, last, cache = f(x=x, state=tuple(first), params=params, **options)
        return y, *last, cache

    def backwards(dy: Tensor | None, *rest: Any) -> tuple:
        *dlast, cache = rest
        dx, dstate, grads = f_backward(dy, tuple(dlast), cache, input_gradient=wanted)
        return dx, *dstate, grads

    y, *last = by_hand(forwards, backwards, (x, *state), params, backward)
    return y, tuple(last)


class Recurrent(torch.nn.RNNBase):
    """What the recurrent modules share: everything but the state's form.

    A subclass has torch.nn's class as its second base, which makes the parameters.
    """

    kind: str  # what `recurrent` calls it
    backward: str

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        backward: str = "hand",
        **more: Any,
    ) -> None:
        whole("input_size", input_size, 1)
        whole("hidden_size", hidden_size, 1)
        whole("num_layers", num_layers, 1)
        one_of("backward", backward, ("hand", "autograd"))
        number("dropout", dropout, 0, 1, below=True)
        super().__init__(
            input_size,  # type: ignore[arg-type]
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            device=device,
            dtype=dtype,
            **more,
        )
        self.backward = backward

    def forward(  # type: ignore[override]
        self, input: Any, hx: Any = None, mask: Tensor | None = None
    ) -> tuple[Any, Any]:
        """Return the outputs and the last state, as torch.nn's module does.

        Shapes: input (B, T, D), or (T, B, D) with batch_first=False, (T, D) without a
        batch, or a PackedSequence; hx (L * directions, B, H), without a batch
        (L * directions, H), and for an LSTM a tuple (h, c) of two such; mask (B, T)
        booleans, without a batch (T,), True = real. Errors: a ValueError or TypeError
        where one of them does not fit.
        """
        y: Any
        first = self._named(hx)
        if isinstance(input, PackedSequence):
            if mask is not None:
                raise ValueError("mask must be None: a PackedSequence has its lengths")
            y, last = self._packed(input, first)
        elif getattr(input, "ndim", 3) == 2:
            self._check(input, "T D", first, "", mask)
            state = {name: s[:, None] for name, s in first.items()}
            out = self._run(input[None], state, None if mask is None else mask[None])
            y, last = out[0][0], tuple(s[:, 0] for s in out[1])
        else:
            turned = not self.batch_first
            self._check(input, "T B D" if turned else "B T D", first, "B", mask)
            y, last = self._run(input.transpose(0, 1) if turned else input, first, mask)
            y = y.transpose(0, 1) if turned else y
        return y, self._as_torch(last)

    def _named(self, hx: Any) -> dict[str, Any]:
        """Return the first state's arrays, under the names that errors call them."""
        return {} if hx is None else {"hx": hx}

    def _as_torch(self, state: tuple[Tensor, ...]) -> Any:
        """Return the state in the form that torch.nn gives it."""
        return state[0]

    def _check(
        self,
        input: Any,
        axes: str,
        first: dict[str, Any],
        batch: str | int,
        mask: Any = None,
    ) -> None:
        rows = self.num_layers * (1 + self.bidirectional)
        wanted = f"{rows} {batch} {self.hidden_size}"
        shapes(
            weight_ih_l0=(self.weight_ih_l0, "G D"),
            input=(input, axes),
            **{name: (s, wanted) for name, s in first.items()},
            mask=(mask, f"{batch} T?", "bool"),
        )

    def _packed(
        self, packed: PackedSequence, first: dict[str, Tensor]
    ) -> tuple[PackedSequence, tuple[Tensor, ...]]:
        x, lengths = pad_packed_sequence(packed, batch_first=True)
        self._check(packed.data, "N D", first, len(lengths))
        mask = (torch.arange(x.shape[1]) < lengths[:, None]).to(x.device)
        y, last = self._run(x, first, mask)
        if (order := packed.sorted_indices) is not None:  # longest first, as it came
            y, lengths = y[order], lengths[order.cpu()]
        data = pack(y, lengths, batch_first=True).data
        _, *rest = packed
        return PackedSequence(data, *rest), last

    def _run(
        self, x: Tensor, first: dict[str, Tensor], mask: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        params = {name: getattr(self, name) for name in self._flat_weights_names}
        state = tuple(first.values())
        if not state:
            rows = self.num_layers * (1 + self.bidirectional)
            zeros = x.new_zeros(rows, x.shape[0], self.hidden_size)
            state = (zeros,) * CELLS[self.kind].states
        p = self.dropout if self.num_layers > 1 else 0.0
        options = {"kind": self.kind, "mask": mask, **chance(self, p)}
        return over_time(
            recurrent, recurrent_backward, x, state, params, self.backward, **options
        )

    def extra_repr(self) -> str:
        """Show which backward pass is used beside torch's own line."""
        return f"{super().extra_repr()}, backward={self.backward!r}"
