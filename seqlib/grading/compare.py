"""Say in a sentence how a result differs from the right one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from seqlib.grading.outcome import Tree

#: Relative error allowed, by bytes of the shortest float that was given or returned.
TOLERANCE = {8: 1e-8, 4: 1e-4, 2: 1e-2}


def difference(
    names: Sequence[str], right: Tree, got: Tree, width: int = 8, values: bool = True
) -> str:
    """Return how `got` differs from `right`, "" if it does not.

    `names` are those of the results, `width` is the bytes of the shortest float in
    play; without `values` only the structure and the shapes count.
    """
    if isinstance(right, dict):
        if not isinstance(got, dict) or got.keys() != right.keys():
            return f"it must return a dict with {', '.join(right)}, got {kind(got)}"
        texts = (difference([k], right[k], got[k], width, values) for k in right)
    elif isinstance(right, tuple):
        names = names if len(names) > 1 else [f"{names[0]}[{i}]" for i in range(99)]
        names = names[: len(right)]
        if not isinstance(got, tuple) or len(got) != len(right):
            listed = ", ".join(names)
            return f"it must return {len(right)} results ({listed}), got {kind(got)}"
        pairs = zip(names, right, got, strict=True)
        texts = (difference([n], r, g, width, values) for n, r, g in pairs)
    else:
        return _leaf(names[0], right, got, width, values)
    return next(filter(None, texts), "")


def _leaf(name: str, right: Tree, got: Tree, width: int, values: bool) -> str:
    if not isinstance(right, np.ndarray):  # None, or a word
        same = type(right) is type(got) and right == got
        return "" if same else f"{name} must be {kind(right)}, got {kind(got)}"
    if isinstance(got, tuple) and right.ndim:
        try:
            got = np.array(got)  # a list of rows is as good as an array
        except ValueError:
            return f"{name} must be {kind(right)}, got {kind(got)}"
    if not isinstance(got, np.ndarray):
        return f"{name} must be {kind(right)}, got {kind(got)}"
    if got.dtype.kind not in "biuf":
        return f"{name} must hold real numbers, got {got.dtype}"
    if got.shape != right.shape:
        a, b = (t.shape if t.ndim else "a number" for t in (right, got))
        return f"{name} has the wrong shape: expected {a}, got {b}"
    return _value(name, right, got, width) if values else ""


def _value(name: str, right: np.ndarray, got: np.ndarray, width: int) -> str:
    tolerance = TOLERANCE[width] if right.dtype.kind == "f" else 0
    right, got = right.astype(float), got.astype(float)
    size = np.abs(right)
    scale = np.max(size, initial=0, where=~np.isnan(size)) or 1.0
    with np.errstate(all="ignore"):  # nan and inf in `got` alone differ as well
        near = np.abs(got - right) <= tolerance * (size + 0.1 * scale)
    differs = ~(near | (np.isnan(got) & np.isnan(right)))
    if not differs.any():
        return ""
    at = tuple(int(i) for i in np.argwhere(differs)[0])
    place = f" at {list(at)}" if at else ""
    share = f" ({differs.sum()} of {got.size} entries differ)" if got.size > 1 else ""
    a, b = f"{right[at]:.6g}", f"{got[at]:.6g}"
    if a == b:
        a, b = f"{right[at]!r}", f"{got[at]!r}"
    return f"{name} has a wrong value{place}: expected {a}, got {b}{share}"


def kind(tree: Tree) -> str:
    """Say what something is: `an array of shape (2, 3)`, `2 results`, `None`."""
    if isinstance(tree, np.ndarray):
        return f"an array of shape {tree.shape}" if tree.ndim else "a number"
    if isinstance(tree, tuple):
        return f"{len(tree)} results" if len(tree) != 1 else "a tuple of one"
    if isinstance(tree, dict):
        keys = ", ".join(list(tree)[:5]) + (", …" if len(tree) > 5 else "")
        return f"a dict with {keys}" if tree else "an empty dict"
    return repr(tree) if tree is None or len(tree) < 80 else repr(tree[:80]) + "…"


def leaves(tree: Tree) -> Iterator[Tree]:
    """Go through all arrays, words and Nones of a tree."""
    if isinstance(tree, dict):
        tree = tuple(tree.values())
    if isinstance(tree, tuple):
        for item in tree:
            yield from leaves(item)
    else:
        yield tree


def shortest_float(*trees: Tree) -> int:
    """Return the bytes of the shortest float in the trees, at most 8."""
    floats = (
        leaf.dtype.itemsize
        for leaf in leaves(trees)
        if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"
    )
    return min(8, *floats, 8)


def identical(one: Tree, other: Tree) -> bool:
    """Tell whether two trees agree to the last bit."""
    pairs = list(leaves(one)), list(leaves(other))
    return len(pairs[0]) == len(pairs[1]) and all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
        else type(a) is type(b) and not isinstance(a, np.ndarray) and a == b
        for a, b in zip(*pairs, strict=True)
    )
