"""Words, their numbers, and batches of unequal sequences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

import numpy as np
from array_api_compat import device, is_array_api_obj

from seqlib._arrays import Array, array_namespace
from seqlib._check import in_range, shapes, whole

PAD, UNKNOWN = "<pad>", "<unk>"


def tokens(text: str) -> list[str]:
    """Lower-case words and punctuation marks: "It's bad." is it, 's, bad, full stop.

    Names in angle brackets (`<eos>`) and a gap (`___`) stay whole.
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a string, got {type(text).__name__}")
    return re.findall(r"<\w+>|_+|'?[^\W_]+|[^\w\s]", text.lower().replace("’", "'"))


class Vocabulary:
    """Words and their numbers; 0 is always `<pad>`.

    Parameters
    ----------
    texts : lists of words; each new word gets the next number, in alphabetical order
    special : words that come first, after `<pad>`. Where `<unk>` is among them, it
        stands for every word that is not in the vocabulary

    Raises
    ------
    TypeError
        A text is one string and not a list of words: cut it with `tokens` first.
    """

    def __init__(
        self, texts: Iterable[Sequence[str]], special: Sequence[str] = ()
    ) -> None:
        seen: set[str] = set()
        for text in texts:
            seen.update(_words("texts", text))
        first = [PAD, *(word for word in special if word != PAD)]
        self.words = [*first, *sorted(seen - set(first))]
        self.number = {word: i for i, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self.number

    def ids(self, text: Sequence[str]) -> list[int]:
        """Return the number of every word of a list of words."""
        other = self.number.get(UNKNOWN)
        found = [self.number.get(word, other) for word in _words("text", text)]
        if None in found:
            word = text[found.index(None)]
            raise ValueError(
                f"{word!r} is not among the {len(self)} words of this vocabulary, "
                "and it has no <unk>"
            )
        return found  # type: ignore[return-value]

    def text(self, ids: Iterable[int]) -> list[str]:
        """Return the words of these numbers, without padding."""
        numbers = [int(i) for i in ids]
        for i in numbers:
            if not 0 <= i < len(self):
                raise ValueError(f"ids must be 0 to {len(self) - 1}, got {i}")
        return [self.words[i] for i in numbers if i]


def _words(name: str, text: Sequence[str]) -> Sequence[str]:
    if isinstance(text, str):
        raise TypeError(f"{name} must be a list of words, got the string {text!r}")
    return text


def one_hot(ids: Array, size: int, dtype: Any = None) -> Array:
    """Vectors with a 1 at the place that each number names, and 0 elsewhere.

    Shapes: ids (...) integers from 0 to size-1, an array or lists; result (..., size),
    in the library's default float type unless `dtype`, one of its own, says another.
    Errors: size is no whole number above 0, ids are none below it, dtype is no type.
    """
    whole("size", size, 1)
    ids = ids if is_array_api_obj(ids) else np.asarray(ids)
    shapes(ids=(ids, "...", "int"))
    in_range("ids", ids, size)
    xp = array_namespace(ids)
    dtype = xp.asarray(0.0).dtype if dtype is None else dtype
    if not _is_type(dtype, xp):
        raise TypeError(f"dtype must be a type of numbers of ids' library, got {dtype}")
    places = xp.arange(size, dtype=ids.dtype, device=device(ids))
    return xp.astype(ids[..., None] == places, dtype)


def _is_type(dtype: Any, xp: Any) -> bool:
    """Tell whether this is a type of numbers, or of booleans, of that library."""
    try:
        return bool(xp.isdtype(dtype, ("numeric", "bool")))
    except (TypeError, AttributeError):  # of another library, or no type at all
        return False


def pad(sequences: Sequence[Any], value: float = 0) -> tuple[np.ndarray, np.ndarray]:
    """Make one array of sequences of unequal length, and the mask of what is real.

    Parameters
    ----------
    sequences : B sequences of numbers (T_i,) or of vectors (T_i, D)
    value : what fills the places after a sequence's end

    Returns
    -------
    array : (B, T) or (B, T, D) with T the longest length
    mask : (B, T) booleans, True where the input is real

    Raises
    ------
    ValueError
        There is no sequence, one is empty, their vectors differ in size, or `value`
        is a fraction among whole numbers.
    TypeError
        sequences, one of them, or value does not hold numbers.
    """
    if not isinstance(sequences, Iterable):
        got = type(sequences).__name__
        raise TypeError(f"sequences must be a list of sequences, got {got}")
    if not isinstance(value, Real | np.bool_):
        raise TypeError(f"value must be a number, got {value!r}")
    rows = [np.asarray(row) for row in sequences]
    if not rows:
        raise ValueError("sequences must hold at least one sequence, got none")
    for i, row in enumerate(rows):
        if row.size and row.dtype.kind not in "biuf":
            raise TypeError(f"sequences[{i}] must hold numbers, got {row.dtype}")
        if row.ndim == 0 or not len(row):
            raise ValueError(f"sequences[{i}] must hold at least one step, got none")
        if row.shape[1:] != rows[0].shape[1:]:
            raise ValueError(
                f"sequences[{i}] must have steps of shape {rows[0].shape[1:]} as "
                f"sequences[0] has, got {row.shape[1:]}"
            )
    lengths = np.array([len(row) for row in rows])
    mask = np.arange(lengths.max()) < lengths[:, None]  # (B, T)
    kind = np.result_type(*rows)
    if kind.kind in "biu" and value != int(np.nan_to_num(value)):
        raise ValueError(f"value must be whole, as the sequences are, got {value}")
    array = np.full((*mask.shape, *rows[0].shape[1:]), value, kind)
    for out, row in zip(array, rows, strict=True):
        out[: len(row)] = row
    return array, mask
