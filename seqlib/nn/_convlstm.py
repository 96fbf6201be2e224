"""The ConvLSTM as a module; torch.nn has none."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seqlib._check import one_of, shapes, whole
from seqlib._params import names_of
from seqlib.convlstm import convlstm, convlstm_backward
from seqlib.nn._base import over_time, pair_of


class ConvLSTM(torch.nn.Module):
    """An LSTM over frames whose state is a map; in the manner of `LSTM`.

    Parameters
    ----------
    in_channels, hidden_channels : channels of a frame, and of the state
    kernel_size : of both convolutions, K by K
    num_layers : layers, each over the outputs of the one below
    bias : False for none
    backward : "hand" for the book's own backward pass, "autograd" for torch's

    Notes
    -----
    Parameters have the LSTM's names and are drawn uniformly from ±1/sqrt(F K K), F =
    hidden_channels. The equations stand in `seqlib.convlstm`. Errors: a size is no
    whole number above 0, backward is unknown. Source: Shi et al. (2015), without the
    peepholes.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        kernel_size: int,
        num_layers: int = 1,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        backward: str = "hand",
    ) -> None:
        sizes = {
            "in_channels": in_channels,
            "hidden_channels": hidden_channels,
            "kernel_size": kernel_size,
            "num_layers": num_layers,
        }
        for name, size in sizes.items():
            whole(name, size, 1)
        one_of("backward", backward, ("hand", "autograd"))
        super().__init__()
        self.in_channels, self.hidden_channels = in_channels, hidden_channels
        self.kernel_size, self.num_layers = kernel_size, num_layers
        self.bias, self.backward = bias, backward
        G, K = 4 * hidden_channels, kernel_size
        self.names: list[str] = []
        for layer in range(num_layers):
            fan_in = hidden_channels if layer else in_channels
            wanted = ((G, fan_in, K, K), (G, hidden_channels, K, K), (G,), (G,))
            for name, shape in zip(names_of(f"l{layer}"), wanted, strict=True):
                if bias or not name.startswith("bias"):
                    values = torch.empty(shape, device=device, dtype=dtype)
                    self.register_parameter(name, torch.nn.Parameter(values))
                    self.names.append(name)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        bound = (self.hidden_channels * self.kernel_size**2) ** -0.5
        for parameter in self.parameters():
            torch.nn.init.uniform_(parameter, -bound, bound)

    def forward(
        self,
        input: Tensor,
        hx: tuple[Tensor, Tensor] | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the outputs (B, T, F, H, W) and the last state, a tuple (h, c).

        Shapes: input (B, T, C, H, W); hx a tuple (h, c) of two (L, B, F, H, W), or
        None for zeros; mask (B, T) booleans, True = real. Errors: a ValueError or
        TypeError where one of them does not fit.
        """
        first = self._first(input, hx, mask)
        params = {name: getattr(self, name) for name in self.names}
        both = convlstm, convlstm_backward
        return over_time(*both, input, first, params, self.backward, mask=mask)

    def _first(self, input: Any, hx: Any, mask: Any) -> tuple[Tensor, Tensor]:
        """Check the input, and return the first state."""
        n = shapes(
            weight_ih_l0=(self.weight_ih_l0, "G C KH KW"),
            input=(input, "B T C H W"),
            mask=(mask, "B T?", "bool"),
        )
        sizes = (self.num_layers, n["B"], self.hidden_channels, n["H"], n["W"])
        h, c = pair_of(hx) if hx is not None else (input.new_zeros(sizes),) * 2
        wanted = " ".join(map(str, sizes))
        shapes(input=(input, "..."), **{"hx[0]": (h, wanted), "hx[1]": (c, wanted)})
        return h, c

    def extra_repr(self) -> str:
        """Show the sizes, and which backward pass is used."""
        sizes = f"{self.in_channels}, {self.hidden_channels}, {self.kernel_size}"
        layers = f", num_layers={self.num_layers}" if self.num_layers > 1 else ""
        bias = "" if self.bias else ", bias=False"
        return f"{sizes}{layers}{bias}, backward={self.backward!r}"
