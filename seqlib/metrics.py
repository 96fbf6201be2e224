"""How well did it go? Measures on arrays of predictions, padding left out.

Wherever there is a mask, it says True where an entry counts; what stands elsewhere is
not looked at. Every function raises a TypeError or a ValueError, in one sentence, where
an argument does not fit what its docstring says, or where nothing counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from array_api_compat import device

from seqlib._arrays import Array, array_namespace
from seqlib._check import flags, in_range, one_of, shapes, whole


def accuracy(predicted: Array, target: Array, mask: Array | None = None) -> float:
    """Share of the predictions that are right.

    Parameters
    ----------
    predicted, target : (...) integers, the classes
    mask : (...) booleans, True where the prediction counts

    Raises
    ------
    ValueError, TypeError
        Shapes differ, something is no array of integers, or nothing counts.

    Notes
    -----
    Equation (1.10) of the book.
    """
    _check_classes(predicted, target, mask)
    xp = array_namespace(predicted)
    right = predicted == target
    if mask is None:
        mask = xp.ones_like(right)
    return int(xp.count_nonzero(right & mask)) / int(xp.count_nonzero(mask))


def confusion_matrix(
    predicted: Array, target: Array, classes: int, mask: Array | None = None
) -> Array:
    """Count how often class j was predicted where class i was right: C[i, j].

    The right class chooses the row, as in scikit-learn: the diagonal is what went well,
    a row sums to the times its class occurs, a column to the times it is predicted.

    Parameters
    ----------
    predicted, target : (...) integers from 0 to classes-1
    classes : the number of classes
    mask : (...) booleans, True where the prediction counts

    Returns
    -------
    counts : (classes, classes) int64

    Raises
    ------
    ValueError, TypeError
        As `accuracy`; a class is out of range where it counts.

    Notes
    -----
    Equation (1.11) of the book.
    """
    whole("classes", classes, 1)
    _check_classes(predicted, target, mask)
    xp = array_namespace(predicted)
    cells = []
    for name, ids in (("predicted", predicted), ("target", target)):
        ids = xp.astype(ids, xp.int64)
        ids = ids if mask is None else xp.where(mask, ids, 0)
        in_range(name, ids, classes)
        cells.append(ids)
    cell = cells[1] * classes + cells[0]
    cell = cell if mask is None else xp.where(mask, cell, classes**2)  # after the last
    edges = xp.arange(classes**2 + 1, device=device(predicted))
    upto = xp.searchsorted(xp.sort(xp.reshape(cell, (-1,))), edges)
    counts = xp.astype(upto[1:] - upto[:-1], xp.int64)
    return xp.reshape(counts, (classes, classes))


def per_class_accuracy(
    predicted: Array, target: Array, classes: int, mask: Array | None = None
) -> Array:
    """Share of each class's occurrences that are right: C[i, i] / sum_j C[i, j].

    Also known as recall. C is the `confusion_matrix`, whose arguments and errors these
    are. Shapes: result (classes,) float64, NaN for a class that never occurs. Equation
    (1.12) of the book.
    """
    counts = confusion_matrix(predicted, target, classes, mask)
    xp = array_namespace(counts)
    counts = xp.astype(counts, xp.float64)
    right, all_ = xp.linalg.diagonal(counts), xp.sum(counts, axis=1)
    return xp.where(all_ > 0, right / xp.where(all_ > 0, all_, 1), math.nan)


def perplexity(
    log_probs: Array, mask: Array | None = None, tokens: int | None = None
) -> float:
    """Perplexity exp(-1/N sum log P), N the number of tokens.

    A model that chooses evenly among k tokens has perplexity k.

    Parameters
    ----------
    log_probs : (...) natural logarithms of the probabilities that the model gave to the
        right tokens; or to whole sequences, with `tokens`
    mask : (...) booleans, True where an entry counts
    tokens : the number of tokens N in all; None if every entry is one

    Returns
    -------
    perplexity : at least 1; inf if something had probability 0, or beyond floats

    Raises
    ------
    ValueError, TypeError
        log_probs is no array of floats, is above 0 or NaN where it counts; mask does
        not fit or leaves nothing; tokens is no whole number from 1.

    Notes
    -----
    Equation (11.6) of the book.
    """
    nats = _nats(log_probs, mask, "tokens", tokens)
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf


def bits_per_character(
    log_probs: Array, mask: Array | None = None, characters: int | None = None
) -> float:
    """Mean number of bits a character, -1/N sum log2 P, N the number of characters.

    Unlike perplexity it compares models that cut one text into different tokens: every
    one is charged for the same characters.

    Parameters
    ----------
    log_probs : (...) natural logarithms of the probabilities that the model gave to the
        right tokens, or to whole sequences
    mask : (...) booleans, True where an entry counts
    characters : the number of characters N in all; None if every entry is one

    Returns
    -------
    bits : at least 0; inf if something had probability 0

    Raises
    ------
    ValueError, TypeError
        As `perplexity`.

    Notes
    -----
    Equations (7.12) and (11.7) of the book.
    """
    return _nats(log_probs, mask, "characters", characters) / math.log(2)


def bleu(
    hypotheses: Sequence[str],
    references: Sequence[str | Sequence[str]],
    tokenize: str = "13a",
    lowercase: bool = False,
    smooth_method: str = "exp",
) -> float:
    """BLEU of a corpus, 0 to 100: n-grams that hypotheses share with their references.

    BLEU = 100 min(1, exp(1 - r/h)) (p_1 p_2 p_3 p_4)^(1/4), p_n the share of n-grams
    that a reference has too, h and r the lengths of the hypotheses and the references.
    The number is that of the package sacrebleu.

    Parameters
    ----------
    hypotheses : the texts to judge, as people would write them: sacrebleu cuts them
    references : for each hypothesis its right text, or a list of several
    tokenize : how texts are cut: "13a", "intl", "zh", "char", or "none" at blanks only
    lowercase : whether capital letters make no difference
    smooth_method : for n-grams that are never right: "exp", "floor", "add-k", "none"

    Raises
    ------
    ValueError, TypeError
        The numbers of texts differ, or there is none; something is no text; an option
        is unknown.
    ModuleNotFoundError
        sacrebleu is not installed.

    Notes
    -----
    Sources: Papineni et al. (2002); Post (2018), on why one program should count.
    """
    texts = _texts("hypotheses", hypotheses)
    if isinstance(references, str) or not isinstance(references, Sequence):
        kind = type(references).__name__
        raise TypeError(f"references must be a list, got {kind}")
    if len(references) != len(texts):
        raise ValueError(
            f"references must be as many as hypotheses, {len(texts)}, "
            f"got {len(references)}"
        )
    right = [
        [r] if isinstance(r, str) else _texts(f"references[{i}]", r)
        for i, r in enumerate(references)
    ]
    one_of("tokenize", tokenize, ("13a", "intl", "zh", "char", "none"))
    flags(lowercase=lowercase)
    one_of("smooth_method", smooth_method, ("exp", "floor", "add-k", "none"))
    try:
        from sacrebleu import corpus_bleu
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "bleu needs the package sacrebleu: install it with `pip install sacrebleu`"
        ) from error
    most = max(len(r) for r in right)  # sacrebleu wants every first, every second …
    streams: list[Any] = [
        [r[n] if n < len(r) else None for r in right] for n in range(most)
    ]
    options = {"smooth_method": smooth_method, "lowercase": lowercase}
    return float(corpus_bleu(texts, streams, tokenize=tokenize, **options).score)


def _check_classes(predicted: Array, target: Array, mask: Array | None) -> None:
    shapes(predicted=(predicted, "...", "int"), target=(target, "...", "int"))
    shapes(target=(target, "...", "int"), mask=(mask, "...?", "bool"))
    _check_same("predicted", predicted, target=target, mask=mask)


def _check_same(first: str, array: Array, **others: Array | None) -> None:
    """Check that the others have the array's shape and a mask leaves something."""
    for name, other in others.items():
        if other is not None and other.shape != array.shape:
            want, got = tuple(array.shape), tuple(other.shape)
            raise ValueError(f"{name} must have shape {want} as {first}, got {got}")
    mask = others["mask"]
    if mask is not None and not bool(array_namespace(mask).any(mask)):
        raise ValueError("mask leaves nothing to count")


def _nats(log_probs: Array, mask: Array | None, unit: str, count: int | None) -> float:
    """Sum -log P where it counts, in float64, and divide by the number of units."""
    shapes(log_probs=(log_probs, "..."), mask=(mask, "...?", "bool"))
    _check_same("log_probs", log_probs, mask=mask)
    if count is not None:
        whole(unit, count, 1)
    xp = array_namespace(log_probs)
    if mask is not None:
        log_probs = xp.where(mask, log_probs, 0)
    if bool(xp.any(xp.isnan(log_probs))):
        raise ValueError("log_probs must not be NaN")
    if bool(xp.any(log_probs > 0)):
        got = float(xp.max(log_probs))
        raise ValueError(f"log_probs must be at most 0, got {got:.3g}")
    total = 0.0 - float(xp.sum(log_probs, dtype=xp.float64))
    if count is None:
        counted = log_probs.shape if mask is None else (xp.count_nonzero(mask),)
        count = math.prod(map(int, counted))
    return total / count


def _texts(name: str, texts: Any) -> list[str]:
    if isinstance(texts, str) or not isinstance(texts, Sequence):
        raise TypeError(f"{name} must be a list of texts, got {type(texts).__name__}")
    if not texts:
        raise ValueError(f"{name} must not be empty")
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"{name} must be texts, got {type(text).__name__}")
    return list(texts)
