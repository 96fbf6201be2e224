"""Call a function on a case and keep what came of it as plain arrays.

What decides afterwards looks at nothing else, so that the call can as well happen in
another process, with arrays sent there and arrays read back.
"""

from __future__ import annotations

import copy
import inspect
import linecache
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from seqlib.grading.exercise import Case

Tree = Any  # an array, text or None, or a tuple or a dict of trees
UNWRITTEN = "it is not written yet"


@dataclass(frozen=True)
class Outcome:
    """What one call left: the result and the arguments afterwards, or a problem.

    `problem` is a sentence for the reader, `error` what was raised, without its place.
    """

    result: Tree = None
    inputs: Tree = None
    problem: str = ""
    error: str = ""


class NotDataError(Exception):
    """A result that is not made of numbers."""


def call(function: Callable[..., Any], case: Case) -> Outcome:
    """Call the function on copies of the case's arguments."""
    return attempt(function, copy.deepcopy(case.args))


def attempt(function: Callable[..., Any], args: tuple[Any, ...]) -> Outcome:
    """Call the function on these very arguments."""
    try:
        result = function(*args)
    except NotImplementedError:
        return Outcome(problem=UNWRITTEN)
    except (Exception, SystemExit) as error:
        what = _short(error)
        return Outcome(problem=_place(error) + what, error=what)
    try:
        return Outcome(plain(result), plain(args))
    except NotDataError as error:
        return Outcome(problem=f"it must return {error}")
    except RecursionError:
        return Outcome(problem="it must return arrays, not a list that holds itself")


def plain(value: Any) -> Tree:
    """Copy a value into arrays of numpy's own kind, lists and tuples into tuples."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(plain(item) for item in value)
    if inspect.isgenerator(value) or inspect.iscoroutine(value):
        raise NotDataError("arrays, not a generator: use return instead of yield")
    number = isinstance(value, np.ndarray | np.generic | bool | int | float | complex)
    if not number and not hasattr(value, "__array__"):
        raise NotDataError(f"arrays or numbers, not {_a(value)}")
    try:
        array = np.array(np.asarray(value), copy=True, subok=False)
    except MemoryError:
        raise NotDataError("less: there is no memory for a copy of it") from None
    except Exception:
        raise NotDataError(f"arrays or numbers, not {_a(value)}") from None
    if array.dtype.kind not in "biufc":
        raise NotDataError(f"numbers, not an array of {array.dtype}")
    return array


def unusable(name: str, parameters: Sequence[str], function: Any) -> str:
    """Say why this cannot be the function of that name; "" if it can."""
    if isinstance(function, type):
        return f"the function {name} is needed, got the class {function.__name__}"
    if not callable(function):
        got = "None" if function is None else f"an object of type {_type(function)}"
        return f"the function {name} itself is needed, without a call; got {got}"
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return f"{name} must be a plain function: write def instead of async def"
    if inspect.isgeneratorfunction(function):
        return f"{name} must give its arrays back with return instead of yield"
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-in functions have none
        return ""
    try:
        signature.bind(*parameters)
    except TypeError:
        want, got = ", ".join(parameters), ", ".join(signature.parameters)
        return f"it must take the arguments ({want}), yours takes ({got})"
    return ""


def _type(value: Any) -> str:
    return type(value).__name__


def _a(value: Any) -> str:
    name = "function" if inspect.isroutine(value) else type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _short(error: BaseException) -> str:
    try:
        what = " ".join(str(error).split()).rstrip(".")
    except Exception:
        what = ""  # an error whose own message fails
    what = f"{type(error).__name__}: {what}" if what else type(error).__name__
    return what if len(what) < 200 else what[:200] + "…"


def _place(error: BaseException) -> str:
    """Say which line of the function raised the error."""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # without our own call
    own = [f for f in frames if f.filename == frames[0].filename]
    if not own or not own[-1].lineno:
        return "it raised "
    source = linecache.getline(own[-1].filename, own[-1].lineno).strip()
    return f"line {own[-1].lineno}, `{source}`, raised "
