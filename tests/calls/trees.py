"""Arguments as trees: arrays inside dicts, tuples and lists, each with a path."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

Path = tuple[Any, ...]

# What a mask, of booleans or of floats, may be beside the one that was given
BROADCAST = "floats|booleans|axis ? of 1|an axis less|an axis more"
AXES = "an axis less|an axis more"


def leaves(tree: Any, path: Path = ()) -> list[tuple[Path, Any]]:
    """Return everything that is no dict, tuple or list, with the way to it."""
    if isinstance(tree, dict):
        inner = list(tree.items())
    elif isinstance(tree, tuple | list):
        inner = list(enumerate(tree))
    else:
        return [(path, tree)]
    return [leaf for key, item in inner for leaf in leaves(item, (*path, key))]


def containers(tree: Any, path: Path = ()) -> list[tuple[Path, Any]]:
    """Return every dict, tuple and list with the way to it, the tree itself first."""
    if not isinstance(tree, dict | tuple | list):
        return []
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree)
    below = [c for key, item in inner for c in containers(item, (*path, key))]
    return [(path, tree), *below]


def replace(tree: Any, path: Path, value: Any) -> Any:
    """Return the tree with another value at this place, the rest untouched."""
    if not path:
        return value
    key, *rest = path
    if isinstance(tree, dict):
        return {**tree, key: replace(tree[key], tuple(rest), value)}
    items = list(tree)
    items[key] = replace(items[key], tuple(rest), value)
    return like(tree, items)


def convert(tree: Any, change: Callable[[Any], Any]) -> Any:
    """Return the tree with every array changed, and every generator a fresh copy."""
    if isinstance(tree, dict):
        return {key: convert(item, change) for key, item in tree.items()}
    if isinstance(tree, tuple | list):
        return like(tree, [convert(item, change) for item in tree])
    if isinstance(tree, np.random.Generator):
        return copy.deepcopy(tree)
    return change(tree) if is_array(tree) else tree


def like(tree: Any, items: list) -> Any:
    """Return a list, a tuple or a named tuple, as the tree is, of these items."""
    return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)


def is_array(value: Any) -> bool:
    """Tell whether this has a shape and a type of numbers: an array of any library."""
    known = hasattr(value, "shape") and hasattr(value, "dtype")
    return known and not isinstance(value, type)


def is_float(value: Any) -> bool:
    """Tell whether this is an array of floats, of any library."""
    return is_array(value) and "float" in str(value.dtype)


def label(path: Path) -> str:
    """Return how a sentence may name this place: params['weight'], state[0]."""
    first, *rest = path
    return str(first) + "".join(f"[{key!r}]" for key in rest)


def names(path: Path) -> set[str]:
    """Return all that a sentence may call this place: the path, or a dict's key."""
    found = {label(path), label(path[:1])}
    for i, key in enumerate(path):
        if isinstance(key, str):  # a parameter has a name of its own
            found |= {str(key), label(path[i:])}
    return found


def snapshot(tree: Any) -> list[bytes]:
    """Return the bytes of every array, to see whether one was changed in place."""
    return [np.asarray(a).tobytes() for _, a in leaves(tree) if is_array(a)]


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    """Return normal numbers, the same for the same shape and seed."""
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def integers(high: int, *shape: int, seed: int = 0) -> np.ndarray:
    """Return whole numbers from 0 to high - 1, both among them."""
    found = np.random.default_rng([seed, high, *shape]).integers(high, size=shape)
    found.flat[0], found.flat[-1] = high - 1, 0
    return found


def booleans(*shape: int, seed: int = 0) -> np.ndarray:
    """Return booleans, True and False among them; the first of each row is True."""
    found = np.random.default_rng([seed, *shape]).random(shape) < 0.5
    found[..., 0], found[..., -1] = True, False
    return found


def rng(seed: int = 0) -> np.random.Generator:
    """Return a generator."""
    return np.random.default_rng(seed)
