"""What holds for every public function: tested for all of them, from one good call.

The good calls stand in `tests/calls/`. From them come, for every function,

- **refusals**: each argument in turn is replaced by something wrong, and the answer
  must be a ValueError or a TypeError of one sentence that names the argument and says
  what must be and what came; nothing may have been changed in place;
- **results**: the same twice, to the last byte; float32 stays float32; numpy, torch and
  array_api_strict agree; inputs stay as they were;
- **gradients**, where there is a `_backward`: finite differences for every array of
  floats there is, in random directions, so that one wrong entry is enough to be found;
  dout refused like any argument; the cache serves twice.

What is expected follows from the call itself: an argument may be None where its
annotation says so, an axis may have another size where no other argument has that size.
What differs from that is in EXCEPTIONS, with a reason, and is tested to differ.
"""

import inspect
import re
import sys
from collections import Counter
from fnmatch import fnmatchcase

import array_api_strict
import numpy as np
import pytest
from calls import collect, elsewhere, public_functions, public_modules
from calls.trees import (
    containers,
    convert,
    is_array,
    is_float,
    label,
    leaves,
    names,
    replace,
    snapshot,
)

try:
    import torch
except ModuleNotFoundError:
    torch = None

PUBLIC = public_functions()
NAMES = {f: name for name, f in PUBLIC.items()}
ROWS = collect()
CALLS, VARIANTS, EXCEPTIONS = ROWS["CALLS"], ROWS["VARIANTS"], ROWS["EXCEPTIONS"]
SENTENCE = re.compile(
    r"[^\n]+ must [^\n]+(, got [^\n]+|, which it lacks|, unused here|, not in params)"
)
needs_torch = pytest.mark.torch


def backward_of(f):
    return getattr(sys.modules[f.__module__], f"{f.__name__}_backward", None)


def forward_of(name):
    return PUBLIC.get(name.removesuffix("_backward"))


def defaults(f):
    given = inspect.signature(f).parameters.items()
    return {k: p.default for k, p in given if p.default is not p.empty}


def good(f, variant=None):
    """Return a good call in full; a Generator in it is copied before each use."""
    change = {} if variant is None else VARIANTS[f][variant]
    given = defaults(f) | CALLS[f] | change
    wanted = list(inspect.signature(f).parameters)
    assert set(given) == set(wanted), f"{identify(f)}: an argument lacks or is unknown"
    return {name: given[name] for name in wanted}


def starred(f):
    """Return the name of the argument that has a star, or None."""
    given = inspect.signature(f).parameters.items()
    return next((k for k, p in given if p.kind is p.VAR_POSITIONAL), None)


def run(f, call):
    """Call f with its arguments by name, and with generators of its own."""
    call = convert(call, lambda a: a)
    return f(*call[starred(f)]) if starred(f) else f(**call)


def identify(f):
    return NAMES.get(f, f.__name__).removeprefix("seqlib.")


def listed(f, where, case):
    """Return the exception that speaks of this case, or None."""
    for g, argument, pattern in EXCEPTIONS:
        if g is f and fits(where, argument) and fits(case, pattern):
            return g, argument, pattern
    return None


def fits(text, pattern):
    """Match as fnmatch does, but | separates patterns and [0] is itself."""
    escaped = pattern.replace("[", "[[]")
    return any(fnmatchcase(text, one) for one in escaped.split("|"))


# --- the registry --------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLIC, ids=lambda name: name.removeprefix("seqlib."))
def test_it_has_a_row(name):
    f = forward_of(name) or PUBLIC[name]
    if not elsewhere(name, ROWS["ELSEWHERE"]):
        module = NAMES[f].split(".")[1]
        assert f in CALLS, f"{name} needs a row in tests/calls/{module}.py"


def test_every_module_can_be_imported():
    lacking = [name for name, module in public_modules().items() if module is None]
    assert torch is None or not lacking


def test_no_row_is_for_nothing():
    known = set(PUBLIC.values())
    for kind in ("CALLS", "VARIANTS", "GRADIENTS"):
        for f in ROWS[kind]:
            assert f in known, f"{kind} has {f}, which is no public function"
    assert set(VARIANTS) | set(ROWS["GRADIENTS"]) <= set(CALLS)
    assert {f for f, _, _ in EXCEPTIONS} <= known
    assert all((*EXCEPTIONS.values(), *ROWS["ELSEWHERE"].values())), "without a reason"


@pytest.mark.parametrize("f", CALLS, ids=identify)
def test_every_argument_is_given_in_some_call(f):
    calls = [good(f), *(good(f, i) for i in range(len(VARIANTS.get(f, ()))))]
    never = {name for name in calls[0] if all(call[name] is None for call in calls)}
    assert not never, "CALLS or VARIANTS must give what is None by default"


FORMS = [(f, i) for f in CALLS for i in (None, *range(len(VARIANTS.get(f, ()))))]
FORM_IDS = [identify(f) + ("" if i is None else f"-{i + 1}") for f, i in FORMS]
each_form = pytest.mark.parametrize(("f", "variant"), FORMS, ids=FORM_IDS)


# --- results -------------------------------------------------------------------------


def same(left, right):
    """Assert that two results are the same tree, of the same bytes."""
    lefts, rights = arrays_in(left), arrays_in(right)
    assert [p for p, _ in lefts] == [p for p, _ in rights]
    for (path, a), (_, b) in zip(lefts, rights, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.dtype, a.shape) == (b.dtype, b.shape), path
        assert a.tobytes() == b.tobytes(), path


def close(left, right, within):
    """Assert that two results, of any libraries, are nearly the same tree."""
    lefts, rights = arrays_in(left), arrays_in(right)
    assert [p for p, _ in lefts] == [p for p, _ in rights]
    for (path, a), (_, b) in zip(lefts, rights, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape, path
        if a.dtype.kind != "f":
            np.testing.assert_array_equal(a, b, err_msg=str(path))
        else:
            size = np.abs(b[np.isfinite(b)]).max(initial=1e-3)
            np.testing.assert_allclose(a, b, 0, within * size, err_msg=str(path))


def arrays_in(tree):
    """Return what a result holds of arrays and numbers, with the way to each."""
    return [
        (p, a) for p, a in leaves(tree) if is_array(a) or isinstance(a, float | int)
    ]


def parts(f, result):
    """Split a result into what is returned and the cache, if f has a backward."""
    if backward_of(f) is None:
        return result, None
    *outs, cache = result
    return tuple(outs), cache


def gradient_names(f):
    """Return the gradients that the backward pass takes: those before the cache first.

    They are for the results in order; what else it takes are options.
    """
    given = list(inspect.signature(backward_of(f)).parameters)
    before = given[: given.index("cache")]
    after = [name for name in given[len(before) + 1 :] if re.match(r"d[a-z]", name)]
    return [*before, *after]


def douts_for(f, outs, seed=0):
    """Draw a gradient for every result."""
    rng = np.random.default_rng(seed)

    def draw(a):
        values = np.asarray(rng.normal(size=np.shape(a)), np.asarray(a).dtype)
        return values if isinstance(a, np.ndarray | np.generic) else like(a)(values)

    wanted = gradient_names(f)[: len(outs)]
    return dict(zip(wanted, (convert(out, draw) for out in outs), strict=True))


def like(a):
    """Return what makes arrays of a's library."""
    return torch.tensor if torch and isinstance(a, torch.Tensor) else strict


def strict(a):
    return array_api_strict.asarray(a.copy() if is_array(a) else a)


def there_and_back(f, call):
    """Return what f returns, the gradients that go back, and what comes of them."""
    outs, cache = parts(f, run(f, call))
    if cache is None:
        return outs, None, None
    douts = douts_for(f, outs)
    return outs, douts, backward_of(f)(**douts, cache=cache)


@each_form
def test_the_same_twice_and_nothing_changed(f, variant):
    """Calls and caches leave no trace: not in the arguments, not in each other."""
    call = good(f, variant)
    before = snapshot(call)
    outs, cache = parts(f, run(f, call))
    again, _ = parts(f, run(f, call))
    same(outs, again)
    assert snapshot(call) == before, "changed in place"
    if cache is None:
        return
    kept = snapshot(outs)
    douts, back = douts_for(f, outs), backward_of(f)
    sent = snapshot(douts)
    first = back(**douts, cache=cache)
    copy = convert(first, np.array)
    second = back(**douts, cache=cache)
    same(copy, second)
    same(copy, first)
    assert snapshot(call) == before, "changed in place by the backward pass"
    assert snapshot(douts) == sent, "dout was changed in place"
    assert snapshot(outs) == kept, "the result was changed in place"


@each_form
def test_float32_stays_float32(f, variant):
    call = good(f, variant)
    if not any(is_float(a) for _, a in leaves(call)):
        return
    narrow = convert(call, lambda a: a.astype("f4") if is_float(a) else a)
    wanted = there_and_back(f, call)
    found = there_and_back(f, narrow)
    widened = listed(f, "", "float32")
    types = {str(a.dtype) for _, a in arrays_in(found) if is_float(a)}
    assert (types <= {"float32"}) == (widened is None), types
    if widened is None:  # drawn for float32, the gradients that go back are the same
        close(found[0], wanted[0], 1e-4)
        close(found[2], wanted[2], 1e-3)


LIBRARIES = [
    pytest.param("torch", marks=needs_torch),
    pytest.param("array_api_strict"),
]


@pytest.mark.parametrize("library", LIBRARIES)
@each_form
def test_libraries_agree(f, variant, library):
    call = good(f, variant)
    if listed(f, "", library):
        with pytest.raises((AssertionError, TypeError, ValueError, IndexError)):
            agree(f, call, library)
    else:
        agree(f, call, library)


def agree(f, call, library):
    """Assert that another library gives numpy's results, in arrays of its own."""
    there = strict if library == "array_api_strict" else torch.tensor
    types = array_api_strict if library == "array_api_strict" else torch
    abroad = {
        name: getattr(types, a.__name__) if isinstance(a, type) else a
        for name, a in convert(call, there).items()
    }
    found = there_and_back(f, abroad)
    if any(is_array(a) for _, a in leaves(call)):
        kinds = {type(a) for _, a in leaves(found) if is_array(a)}
        assert kinds <= {type(there(np.ones(1)))}, kinds
    close(found, there_and_back(f, call), 1e-12)


@each_form
def test_what_is_made_inside_is_on_the_inputs_device(f, variant):
    """array_api_strict has devices that compute alike and refuse to be mixed."""
    call, device = good(f, variant), array_api_strict.Device("device1")
    if listed(f, "", "array_api_strict"):
        return

    def there(a):
        return array_api_strict.asarray(a.copy(), device=device)

    abroad = {
        name: getattr(array_api_strict, a.__name__) if isinstance(a, type) else a
        for name, a in convert(call, there).items()
    }
    try:
        found = [parts(f, run(f, abroad))]
        if (cache := found[0][1]) is not None:
            outs = convert(found[0][0], array_api_strict.ones_like)
            douts = zip(gradient_names(f)[: len(outs)], outs, strict=True)
            found += [backward_of(f)(**dict(douts), cache=cache)]
    except RuntimeError as error:
        if "to a NumPy array" not in str(error):
            raise
        return  # erf and rows by their numbers go through numpy, on the CPU
    if any(is_array(a) for _, a in leaves(call)):
        arrays = [a for _, a in leaves(found) if hasattr(a, "device")]
        assert {a.device for a in arrays} <= {device}


# --- gradients -----------------------------------------------------------------------

PAIRS = [(f, i) for f, i in FORMS if backward_of(f) is not None]
PAIR_IDS = [identify(f) + ("" if i is None else f"-{i + 1}") for f, i in PAIRS]


def gradients_by_argument(f, call, grads):
    """Return {argument: gradient}, by the order of the arguments that hold floats."""
    grads = grads if isinstance(grads, tuple) else (grads,)
    if f in ROWS["GRADIENTS"]:
        found = dict(zip(ROWS["GRADIENTS"][f], grads, strict=True))
        return {k: g for k, g in found.items() if call[k] is not None}
    there = [g for g in grads if g is not None]
    wanted = [k for k, a in call.items() if any(is_float(x) for _, x in leaves(a))]
    assert len(there) == len(wanted), f"{len(there)} gradients for {wanted}"
    return dict(zip(wanted, there, strict=True))


def by_differences(value, x, direction, step):
    """Return the slope of value(x) in a direction, with an error of step^4."""
    near, far = (
        value(x + k * step * direction) - value(x - k * step * direction)
        for k in (1, 2)
    )
    return (8 * near - far) / (12 * step)


@pytest.mark.parametrize(("f", "variant"), PAIRS, ids=PAIR_IDS)
def test_gradients_by_finite_differences(f, variant):
    call = good(f, variant)
    outs, cache = parts(f, run(f, call))
    douts = douts_for(f, outs, seed=1)
    back = backward_of(f)(**douts, cache=cache)
    found = gradients_by_argument(f, call, back)
    flat = [np.asarray(d) for _, d in arrays_in(tuple(douts.values()))]

    def value(path, x):
        now, _ = parts(f, run(f, replace(call, path, x)))
        values = [np.asarray(a) for _, a in arrays_in(now)]
        return sum(np.sum(a * d) for a, d in zip(values, flat, strict=True))

    rng, tried = np.random.default_rng(2), 0
    for name, gradient in found.items():
        given = [(p, a) for p, a in leaves(call[name], (name,)) if is_float(a)]
        got = dict(leaves(gradient, (name,)))
        assert [p for p in got if got[p] is not None] == [p for p, _ in given]
        for path, x in given:
            g = np.asarray(got[path])
            assert (g.shape, g.dtype) == (x.shape, x.dtype), label(path)
            moves = np.isfinite(x)
            for way in rng.normal(size=(2, *x.shape)):  # all entries move at once
                way, there = way * moves, np.where(moves, x, 0.0)
                scale = max(np.abs(g).max() * np.abs(way).max(), 1e-2)
                for step in (1e-4, 1e-6):  # the shorter one where a kink is near
                    slope = by_differences(
                        lambda z, p=path, m=moves, x=x: value(p, np.where(m, z, x)),
                        there,
                        way,
                        step,
                    )
                    error = abs(slope - np.sum(g * way)) / scale
                    if error < 1e-7:
                        break
                assert error < 1e-7, f"{label(path)}: {np.sum(g * way)}, not {slope}"
                tried += 1
    assert tried


# --- refusals ---------------------------------------------------------------------

WRONG = {  # what an array may be replaced by, and what must then be said of it
    "a list": (lambda a: a.tolist(), "must be an array"),
    "a number": (lambda a: 1.5, "must be an array"),
    "a string": (lambda a: "x", "must be an array"),
    "objects": (lambda a: a.astype(object), "must hold"),
    "text": (lambda a: a.astype(str), "must hold"),
    "complex": (lambda a: a + 0j, "must hold"),
    "floats": (lambda a: a.astype(float), "must hold"),
    "ints": (lambda a: np.ones_like(a, int), "must hold"),
    "booleans": (lambda a: a > 0, "must hold"),
    "NaN": (lambda a: a * np.nan, "must hold"),
}
KINDS = {"f": "floats", "i": "ints", "b": "booleans"}
EXAMPLES = {  # what a value that is no array may be replaced by
    bool: ["yes", 2],
    str: ["nonsense", 3, True],
    int: [1.5, "2", True, -1000],
    float: ["half", True, np.nan],
    np.random.Generator: [3, "seed", np.random.RandomState(0)],
    type: ["float32", 3],
}
REFUSED, ACCEPTED, EITHER = "refused", "accepted", "either"


def wrong_arrays(a, others, tied=False):
    """Yield (case, value, what is expected, what must be said) for one array.

    An axis whose size no other has may have another, unless all is tied down: what is
    then accepted must give a result, and gradients in the shapes of the arguments.
    """
    for case, (change, say) in WRONG.items():
        if case != KINDS[a.dtype.kind] and (case != "NaN" or a.dtype.kind == "b"):
            yield case, change(a), REFUSED, say
    sizes = Counter(n for b in (*others, a) for n in b.shape)
    for i, n in enumerate(a.shape):
        expected = EITHER if sizes[n] == 1 and not tied else REFUSED
        yield f"axis {i} empty", np.take(a, [], i), REFUSED, "must"
        yield f"axis {i} longer", np.take(a, [*range(n), 0], i), expected, "must"
        if n > 1:
            yield f"axis {i} of 1", np.take(a, [0], i), expected, "must"
    yield "an axis more", a[None], REFUSED, "must"
    yield "an axis more at the end", a[..., None], REFUSED, "must"
    if a.ndim:
        yield "an axis less", a[0], REFUSED, "must"
    if is_float(a) and any(is_float(b) for b in others):
        yield "float32", a.astype("f4"), REFUSED, " as "
    if others:
        yield "array_api_strict", strict(a), REFUSED, "must come from"
        if torch is not None:
            yield "torch", torch.tensor(a), REFUSED, "must come from"


def wrong_containers(box):
    """Yield the like for a dict, a tuple or a list."""
    if any(is_array(a) for _, a in leaves(box)):  # else one for all is a short form
        yield "a number", 3, REFUSED, "must"
    yield "a string", "nonsense", REFUSED, "must"
    if isinstance(box, dict):
        yield "a list", list(box.values()), REFUSED, "must"
        yield "one more", {**box, "strange": next(iter(box.values()))}, REFUSED, "must"
        for key in box:
            rest = {k: v for k, v in box.items() if k != key}
            yield f"without {key}", rest, REFUSED, "must"
        return
    yield "a dict", dict(enumerate(box)), REFUSED, "must"
    if hasattr(box, "_fields"):  # its length is its own
        return
    yield "empty", type(box)(), REFUSED, "must"
    if isinstance(box, tuple):
        yield "one more", (*box, box[-1]), REFUSED, "must"
        yield "one less", box[:-1], REFUSED, "must"


def wrong_values(value):
    """Yield the like for an option, a number, a generator or a function."""
    if callable(value) and not isinstance(value, type):
        yield "no function", 3, REFUSED, "must"
    kinds = [k for k in EXAMPLES if isinstance(value, k)]
    for wrong in EXAMPLES[kinds[0]] if kinds else ():
        yield repr(wrong) if len(repr(wrong)) < 12 else "old", wrong, REFUSED, "must"


def wrong_calls(f, call, path, value):
    """Yield all wrong calls that differ in one place."""
    others = [a for p, a in leaves(call) if is_array(a) and p != path]
    if is_array(value):
        cases = wrong_arrays(value, others)
    elif isinstance(value, dict | tuple | list):
        cases = wrong_containers(value)
    else:
        cases = wrong_values(value)
    for case, wrong, expected, say in cases:
        yield case, replace(call, path, wrong), expected, say
    if value is not None:
        yield "None", replace(call, path, None), may_be_none(f, path), "must"


def may_be_none(f, path):
    """Tell what None is here: refused, accepted, or inside an optional one either."""
    given = inspect.signature(f).parameters[path[0]]
    admitted = re.search(r"\bNone\b", str(given.annotation)) or given.default is None
    return REFUSED if not admitted else ACCEPTED if len(path) == 1 else EITHER


def places(f, call, variant=None):
    """Return (path, value) of every argument, and of what is inside; each but once."""
    chosen = set(call if variant is None else VARIANTS[f][variant])
    found = [leaf for leaf in (*leaves(call), *containers(call)) if leaf[0]]
    return [(p, v) for p, v in found if p[0] in chosen and p != (starred(f),)]


def judge(action, wrong, expected, about, say):
    """Return what is wrong with the answer to a wrong call, or None."""
    before = snapshot(wrong)
    complaint = None
    try:
        action(wrong)
    except (ValueError, TypeError) as error:
        text = str(error)
        named = any(re.search(rf"(?<![\w.]){re.escape(n)}(?!\w)", text) for n in about)
        if expected == ACCEPTED:
            complaint = f"refused, though its annotation admits it: {text}"
        elif type(error) not in (ValueError, TypeError) or not SENTENCE.fullmatch(text):
            complaint = f"no sentence 'x must …, got …': {text!r}"
        elif not named:
            complaint = f"the sentence names none of {sorted(about)}: {text!r}"
        elif say not in text:
            complaint = f"the sentence does not say {say!r}: {text!r}"
    except Exception as error:
        complaint = f"raised {type(error).__name__}: {error}"
    else:
        complaint = "accepted" if expected == REFUSED else None
    return complaint if snapshot(wrong) == before else "changed something in place"


def shapes_fit(f, call):
    """Run f, there and back: every gradient has the shape of what it belongs to."""
    outs, cache = parts(f, run(f, call))
    if cache is None:
        return
    back = backward_of(f)(**douts_for(f, outs), cache=cache)
    for name, gradient in gradients_by_argument(f, call, back).items():
        given = [a.shape for _, a in leaves(call[name]) if is_float(a)]
        assert [g.shape for _, g in leaves(gradient) if g is not None] == given


def report(complaints):
    assert not complaints, f"{len(complaints)} answers:\n" + "\n".join(complaints)


HERE = [f for f in CALLS if not elsewhere(NAMES[f], ROWS["ELSEWHERE"])]


@pytest.mark.parametrize("f", HERE, ids=identify)
def test_what_is_wrong_is_refused_in_a_sentence(f):
    complaints, used = [], set()
    for g, variant in FORMS:
        if g is not f:
            continue
        call = good(f, variant)
        everything = {name for p, _ in leaves(call) for name in names(p)}
        for path, value in places(f, call, variant):
            for case, wrong, expected, say in wrong_calls(f, call, path, value):
                resized = "axis" in case  # another may be said not to fit
                about = everything if resized else names(path)
                answer = judge(lambda c: shapes_fit(f, c), wrong, expected, about, say)
                if answer and (exception := listed(f, label(path), case)):
                    used.add(exception)
                elif answer:
                    complaints.append(f"{label(path)}, {case}: {answer}")
    mine = {e for e in EXCEPTIONS if e[0] is f and e[1]}
    complaints += [f"{e[1:]} is no exception" for e in sorted(mine - used, key=str)]
    report(complaints)


@pytest.mark.parametrize("f", {f: None for f, _ in PAIRS}, ids=identify)
def test_gradients_that_do_not_fit_are_refused_in_a_sentence(f):
    complaints, used, back = [], set(), backward_of(f)
    for g, variant in PAIRS:
        if g is not f:
            continue
        call = good(f, variant)
        outs, cache = parts(f, run(f, call))
        others = [a for _, a in leaves(call) if is_array(a)]
        douts = douts_for(f, outs)
        for path, value in (*leaves(douts), *containers(douts)):
            if not path:
                continue
            if is_array(value):
                cases = wrong_arrays(value, others, tied=True)
            else:
                cases = wrong_containers(value)
            none = may_be_none(back, path)
            for case, wrong, expected, say in (*cases, ("None", None, none, "must")):
                answer = judge(
                    lambda d, c=cache: back(**d, cache=c),
                    replace(douts, path, wrong),
                    expected,
                    names(path),
                    say,
                )
                if answer and (exception := listed(back, label(path), case)):
                    used.add(exception)
                elif answer:
                    complaints.append(f"{label(path)}, {case}: {answer}")
    unused = {e for e in EXCEPTIONS if e[0] is back} - used
    complaints += [f"{e[1:]} is no exception" for e in sorted(unused, key=str)]
    report(complaints)
