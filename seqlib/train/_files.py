"""Files without pickle: weights as safetensors, and whole runs to go on from.

The library is asked for where a file is written or read: training without files needs
torch alone.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

import seqlib

Tensors = dict[str, torch.Tensor]
LISTED = 8  # names in a sentence, before "and n more"


def save(model: torch.nn.Module, path: str | Path, config: Any = None) -> None:
    """Write a model's weights to a safetensors file, in one move: all of it or nothing.

    Parameters
    ----------
    model : its parameters and buffers are stored under their names in `state_dict`.
        Weights tied to one another are stored once, and the file says which they are
    path : the file, an old one is replaced
    config : what is needed to make such a model again, e.g. a dict of sizes: numbers,
        strings, lists and dicts of them. `read_config` and `load` return its equal

    Raises
    ------
    TypeError
        The model is no module, its state is not of tensors alone, or config cannot be
        written as JSON.
    """
    tensors = _state("model", model)
    try:
        text = json.dumps(config, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"config must be numbers, strings, lists and dicts, got {error}"
        ) from None
    if (back := json.loads(text)) != config:
        raise TypeError(
            "config must be numbers, strings, lists and dicts whose names are strings, "
            f"got {config!r}, which JSON would make {back!r}"
        )
    ties = _ties(tensors)
    kept = {name: tensors[name] for name in tensors if name not in ties}
    write(path, kept, {"config": text, "ties": json.dumps(ties)})


def load(model: torch.nn.Module, path: str | Path) -> Any:
    """Copy the weights of a file into a model, and return the file's config.

    Everything is checked first: where names, shapes or float types differ, one sentence
    lists them and the model stays as it was. A file of another program's will do if the
    names fit. Tied weights stay tied.

    Raises
    ------
    ValueError
        Model and file do not fit, or the file is no safetensors file.
    FileNotFoundError, TypeError
        There is no such file; the model is no module.
    """
    _state("model", model)
    found, about = read(path)
    found |= {name: found[first] for name, first in _json(about, "ties", {}).items()}
    copy_into(model, found, str(path))
    return _json(about, "config", None)


def copy_into(model: torch.nn.Module, found: Tensors, source: str) -> None:
    """Copy tensors into a model if all of them fit; else raise, and change nothing."""
    found = fitting(model, found, source)
    with torch.no_grad():
        for name, tensor in _state("model", model).items():
            tensor.copy_(found[name])


def fitting(model: torch.nn.Module, found: Tensors, source: str) -> Tensors:
    """Return a tensor for every name of the model's, or raise a ValueError."""
    own, found = _state("model", model), dict(found)
    ties = _ties(own)
    for name, first in ties.items():  # one of two that are tied will do
        if name in found or first in found:
            found.setdefault(first, found.get(name, torch.empty(0)))
            found.setdefault(name, found[first])
    if wrong := _differences(own, found, ties):
        raise ValueError(f"{source} does not fit the model: {'; '.join(wrong)}")
    return found


def read_config(path: str | Path) -> Any:
    """Return the config that a file was saved with, without reading its weights.

    Errors: there is no such file, or it is no safetensors file.
    """
    return _json(read(path, tensors=False)[1], "config", None)


def write(path: str | Path, tensors: Tensors, about: dict[str, str]) -> None:
    """Write a file beside the place where it goes, then move it there at once."""
    from safetensors.torch import save_file

    path = Path(path)
    about = {"format": "pt", "seqlib": seqlib.__version__, **about}
    # A copy each: safetensors takes neither views nor two names for one memory.
    copies = {
        name: t.detach().cpu().clone().contiguous() for name, t in tensors.items()
    }
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write to")
    handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    try:
        save_file(copies, beside, metadata=about)
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(beside, 0o666 & ~mask)  # as any new file; mkstemp's are private
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise


def read(path: str | Path, tensors: bool = True) -> tuple[Tensors, dict[str, str]]:
    """Return the tensors of a safetensors file and what it says about itself."""
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safe_open(path, "pt") as file:
            names = file.keys() if tensors else []
            return {n: file.get_tensor(n) for n in names}, file.metadata() or {}
    except SafetensorError:
        raise ValueError(f"{path} must be a safetensors file, and is none") from None


def pack(tree: Any, tensors: Tensors) -> Any:
    """Turn dicts, lists, tuples and numbers into JSON; tensors move to `tensors`."""
    if isinstance(tree, torch.Tensor | np.ndarray):
        kind = "tensor" if isinstance(tree, torch.Tensor) else "array"
        tensors[name := str(len(tensors))] = torch.as_tensor(tree)
        return {kind: name}
    if isinstance(tree, dict):
        return {"dict": [[pack(k, tensors), pack(v, tensors)] for k, v in tree.items()]}
    if isinstance(tree, tuple | list):
        return {type(tree).__name__: [pack(v, tensors) for v in tree]}
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    if isinstance(tree, np.generic):
        return tree.item()
    raise TypeError(
        "a checkpoint can hold numbers, strings and tensors, but the optimiser or the "
        f"schedule has a {type(tree).__name__}"
    )


def unpack(tree: Any, tensors: Tensors) -> Any:
    """Undo `pack`."""
    if not isinstance(tree, dict):
        return tree
    ((kind, value),) = tree.items()
    if kind == "dict":
        return {unpack(k, tensors): unpack(v, tensors) for k, v in value}
    if kind in ("list", "tuple"):
        values = [unpack(v, tensors) for v in value]
        return values if kind == "list" else tuple(values)
    return tensors[value] if kind == "tensor" else tensors[value].numpy()


def _state(name: str, model: Any) -> Tensors:
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"{name} must be a torch.nn.Module, got {type(model).__name__}")
    state = model.state_dict()
    for key, value in state.items():
        if not isinstance(value, torch.Tensor):
            raise TypeError(
                f"{name} must hold tensors alone, got {key} of {type(value).__name__}"
            )
    return dict(state)


def _ties(tensors: Tensors) -> dict[str, str]:
    """Return {name: the first name of the same memory, seen the same way}."""
    seen: dict[tuple, str] = {}
    ties = {}
    for name, t in tensors.items():
        if t.numel():
            key = (t.data_ptr(), tuple(t.shape), t.stride(), t.dtype, t.device)
            if seen.setdefault(key, name) != name:
                ties[name] = seen[key]
    return ties


def _differences(own: Tensors, found: Tensors, ties: dict[str, str]) -> list[str]:
    both = [name for name in own if name in found]
    shape = {n: (tuple(own[n].shape), tuple(found[n].shape)) for n in both}
    kind = {n: (str(own[n].dtype)[6:], str(found[n].dtype)[6:]) for n in both}
    apart = [
        f"{n} and {ties[n]}"
        for n in both
        if n in ties and ties[n] in found and not torch.equal(found[n], found[ties[n]])
    ]
    other = {
        "it lacks": [name for name in own if name not in found],
        "it has, and the model has not,": [name for name in found if name not in own],
        "shapes differ in": [
            f"{n} (the model's {a}, the file's {b})"
            for n, (a, b) in shape.items()
            if a != b
        ],
        "types differ in": [
            f"{n} (the model's {a}, the file's {b})"
            for n, (a, b) in kind.items()
            if a != b
        ],
        "one weight in the model is two in the file,": apart,
    }
    return [f"{what} {_some(names)}" for what, names in other.items() if names]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _json(about: dict[str, str], key: str, default: Any) -> Any:
    return json.loads(about[key]) if key in about else default
