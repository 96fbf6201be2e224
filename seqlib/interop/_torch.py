"""Parameters from torch to numpy and back: the same names, the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from array_api_compat import is_numpy_array, is_torch_array

from seqlib._arrays import Array


def from_torch(
    source: Any, dtype: type | np.dtype | str | None = None
) -> dict[str, Array]:
    """Return the parameters of a torch module, or of a state_dict, as numpy arrays.

    Names and shapes stay, so that what torch.nn's LSTM or TransformerEncoder holds is
    what `recurrent` or `transformer_encoder` takes. The arrays are copies on the CPU.
    Floats are changed to `dtype`, of numpy, only if it is given. Shapes: any. Errors: a
    TypeError where source is neither, or holds what is no tensor, or floats that numpy
    has not (bfloat16) while no dtype is given.
    """
    import torch

    wanted = None if dtype is None else _float("dtype", dtype)
    if isinstance(source, torch.nn.Module):
        source = source.state_dict()
    if not isinstance(source, Mapping):
        raise TypeError(
            f"source must be a torch module or its state_dict, "
            f"got {type(source).__name__}"
        )
    out = {}
    for name, tensor in source.items():
        _check_name("source", name)
        if not is_torch_array(tensor):
            got = type(tensor).__name__
            raise TypeError(f"source[{name!r}] must be a tensor, got {got}")
        floats = tensor.is_floating_point()
        known = torch.float16, torch.float32, torch.float64
        if floats and wanted is not None:
            tensor = tensor.double()  # every float type lies within this one
        elif floats and tensor.dtype not in known:
            raise TypeError(
                f"source[{name!r}] must hold floats that numpy has, or dtype be given, "
                f"got {tensor.dtype}"
            )
        array = tensor.detach().cpu().numpy()
        out[name] = np.array(array, dtype=wanted if floats else None)
    return out


def to_torch(
    params: Mapping[str, Array], dtype: Any = None, device: Any = None
) -> dict[str, Any]:
    """Return the same parameters as torch tensors, which `load_state_dict` takes.

    The inverse of `from_torch`: names and shapes stay, the tensors are copies. Floats
    are changed to `dtype`, of torch, only if it is given; `device` is the CPU, and for
    what is on torch already its own, unless given. Shapes: any. Errors: a TypeError
    where params is no dict of arrays, or dtype no float type of torch.
    """
    import torch

    if dtype is not None and not (
        isinstance(dtype, torch.dtype) and dtype.is_floating_point
    ):
        raise TypeError(f"dtype must be a float type of torch, got {dtype!r}")
    if not isinstance(params, Mapping):
        raise TypeError(
            f"params must be a dict from names to arrays, got {type(params).__name__}"
        )
    out = {}
    for name, array in params.items():
        _check_name("params", name)
        if not (is_numpy_array(array) or is_torch_array(array)):
            got = type(array).__name__
            raise TypeError(
                f"params[{name!r}] must be an array (of numpy or torch), got {got}"
            )
        if is_numpy_array(array):
            if array.dtype.kind not in "biuf":
                raise TypeError(
                    f"params[{name!r}] must hold numbers, got {array.dtype}"
                )
            array = torch.from_numpy(np.array(array))
        kind = dtype if array.is_floating_point() else None
        out[name] = array.detach().clone().to(device=device, dtype=kind)
    return out


def _check_name(where: str, name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"{where} must have names as keys, got {name!r}")


def _float(name: str, value: Any) -> np.dtype:
    """Return numpy's type, or raise a TypeError unless it is one of floats."""
    try:
        dtype = np.dtype(value)
    except TypeError:
        dtype = np.dtype(bool)
    if dtype.kind != "f":
        raise TypeError(f"{name} must be a float type of numpy, got {value!r}")
    return dtype
