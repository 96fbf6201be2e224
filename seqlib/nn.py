"""Torch modules: thin holders of parameters around the array functions.

Names, arguments, results and state_dict are torch.nn's, so that a model can be changed
from one to the other by its import. Two things differ: `batch_first` is True unless
said, and the gradient comes from our own backward pass unless `backward="autograd"`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence
from torch.nn.utils.rnn import pack_padded_sequence as pack
from torch.utils._pytree import tree_flatten, tree_unflatten

from seqlib._check import number, one_of, shapes, whole
from seqlib.recurrent import recurrent, recurrent_backward

KINDS = {"tanh": "rnn", "relu": "rnn_relu"}
SIZES = ("input_size", "hidden_size", "num_layers")


class ByHand(torch.autograd.Function):
    """`recurrent` for autograd, with `recurrent_backward` as its gradient."""

    @staticmethod
    def forward(
        ctx: Any, options: dict, names: list[str], x: Tensor, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        """Run `recurrent`; tensors are the state's, then the parameters'."""
        first, weights = tensors[: -len(names)], tensors[-len(names) :]
        params = dict(zip(names, weights, strict=True))
        y, last, cache = recurrent(x=x, state=first, params=params, **options)
        # Tensors given to save_for_backward are watched for edits and freed in time.
        leaves, ctx.tree = tree_flatten(cache)
        ctx.leaves = [Tensor if isinstance(a, Tensor) else a for a in leaves]
        ctx.save_for_backward(*(a.detach() for a in leaves if isinstance(a, Tensor)))
        ctx.set_materialize_grads(False)
        return y.detach(), *last  # detached it is no view, and may be edited

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None, *dstate: Tensor | None) -> tuple:
        """Run `recurrent_backward`; gradients in the order of forward's inputs."""
        if torch.is_grad_enabled():  # create_graph=True was asked for
            raise RuntimeError(
                'the backward pass by hand has no derivative: use backward="autograd"'
            )
        saved = iter(ctx.saved_tensors)  # raises if one was changed in place
        leaves = [next(saved) if a is Tensor else a for a in ctx.leaves]
        cache = tree_unflatten(leaves, ctx.tree)
        dx, dfirst, grads = recurrent_backward(
            dy, dstate, cache, input_gradient=ctx.needs_input_grad[2]
        )
        return None, None, dx, *dfirst, *grads.values()


class RNN(torch.nn.RNN):
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
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        backward: str = "hand",
    ) -> None:
        sizes = (input_size, hidden_size, num_layers)
        for name, size in zip(SIZES, sizes, strict=True):
            whole(name, size, 1)
        one_of("nonlinearity", nonlinearity, KINDS)
        one_of("backward", backward, ("hand", "autograd"))
        number("dropout", dropout, 0, 1, below=True)
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            nonlinearity=nonlinearity,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            device=device,
            dtype=dtype,
        )
        self.backward = backward

    def forward(  # type: ignore[override]
        self, input: Any, hx: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Any, Tensor]:
        """Return the outputs and the last state, as `torch.nn.RNN` does.

        Shapes: input (B, T, D), or (T, B, D) with batch_first=False, (T, D) without a
        batch, or a PackedSequence; hx (L * directions, B, H), without a batch
        (L * directions, H); mask (B, T) booleans, without a batch (T,), True = real.
        Errors: a ValueError or TypeError where one of them does not fit.
        """
        if isinstance(input, PackedSequence):
            if mask is not None:
                raise ValueError("mask must be None: a PackedSequence has its lengths")
            return self._packed(input, hx)
        batched = getattr(input, "ndim", 3) != 2
        if not batched:
            self._check(input, "T D", hx, "", mask)
            first = None if hx is None else hx[:, None]
            y, h = self._run(input[None], first, None if mask is None else mask[None])
            return y[0], h[:, 0]
        self._check(input, "B T D" if self.batch_first else "T B D", hx, "B", mask)
        y, h = self._run(input if self.batch_first else input.transpose(0, 1), hx, mask)
        return (y if self.batch_first else y.transpose(0, 1)), h

    def _check(
        self, input: Any, axes: str, hx: Any, batch: str | int, mask: Any = None
    ) -> None:
        rows = self.num_layers * (1 + self.bidirectional)
        shapes(
            weight_ih_l0=(self.weight_ih_l0, "G D"),
            input=(input, axes),
            hx=(hx, f"{rows} {batch} {self.hidden_size}?"),
            mask=(mask, f"{batch} T?", "bool"),
        )

    def _packed(
        self, packed: PackedSequence, hx: Tensor | None
    ) -> tuple[PackedSequence, Tensor]:
        x, lengths = pad_packed_sequence(packed, batch_first=True)
        self._check(packed.data, "N D", hx, len(lengths))
        mask = (torch.arange(x.shape[1]) < lengths[:, None]).to(x.device)
        y, h = self._run(x, hx, mask)
        if (order := packed.sorted_indices) is not None:  # longest first, as it came
            y, lengths = y[order], lengths[order.cpu()]
        data = pack(y, lengths, batch_first=True).data
        _, *rest = packed
        return PackedSequence(data, *rest), h

    def _run(
        self, x: Tensor, hx: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        params = {name: getattr(self, name) for name in self._flat_weights_names}
        if hx is None:
            rows = self.num_layers * (1 + self.bidirectional)
            hx = x.new_zeros(rows, x.shape[0], self.hidden_size)
        options = {"kind": KINDS[self.nonlinearity], "mask": mask, **self._dropout()}
        if self.backward == "autograd":
            y, (h,), _ = recurrent(x=x, state=(hx,), params=params, **options)
            return y, h
        return ByHand.apply(options, list(params), x, hx, *params.values())

    def _dropout(self) -> dict[str, Any]:
        if not (self.training and self.dropout and self.num_layers > 1):
            return {}
        seed = int(torch.randint(2**62, ()))  # torch.manual_seed decides this one too
        return {"dropout": self.dropout, "rng": np.random.default_rng(seed)}

    def extra_repr(self) -> str:
        """Show which backward pass is used beside torch's own line."""
        return f"{super().extra_repr()}, backward={self.backward!r}"
