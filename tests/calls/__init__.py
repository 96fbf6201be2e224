"""Good calls of every public function, from which the generic tests are made.

For each public module of seqlib there is a module here of the same name. It holds

CALLS : {function: {argument: good value}}, one good call of each public function that
    is not a `_backward`: numpy, float64, small, drawn rather than all ones. Axes that
    need not be equal have sizes that are not (B=2, T=5, D=3, H=4), for an axis whose
    size occurs nowhere else in the call is taken to be free. Options that are left out
    have their defaults; what is None by default must be given here or in VARIANTS.

and, only where a module needs them,

VARIANTS : {function: [{argument: other value}, ...]}, more good calls, told by how they
    differ from the first; the last one in a form that has other gradients, say.
EXCEPTIONS : {(function, argument, case): reason}, where the general rule does not hold:
    a wrong value that is a good one here, or one whose refusal is another's business.
    `argument` and `case` are patterns, with `*` and `?`, and `|` between several;
    `argument` is "" for what is said of the whole call: `float32`, where the result
    has another type, `torch` or `array_api_strict`, where that library does not do. The
    test sees to it that each exception is one.
GRADIENTS : {function: (argument, ...)}, the arguments to which the results of its
    backward pass belong, where they are not simply those with floats, in order.
ELSEWHERE : {"seqlib.module.name": reason}, functions that need no row, and whose wrong
    arguments are another test's; with a row, the rest is tested here all the same.

`tests/test_every_function.py` says what is tested with them, and names the cases.
"""

import importlib.util
import inspect
import pkgutil
from fnmatch import fnmatchcase

import seqlib

OPTIONAL = {"torch", "matplotlib", "IPython", "ipywidgets", "sacrebleu", "sklearn"}

ELSEWHERE = {
    "seqlib.draw.*": "diagrams: no arrays",
    "seqlib.experiments.*": "takes seeds: tests/test_experiments.py",
    "seqlib.explore.*": "figures: tests/test_explore.py",
    "seqlib.grading.*": "takes anything from students: tests/test_grading.py",
    "seqlib.ledger.*": "takes numbers, lists, any library: tests/test_ledger.py",
    "seqlib.interop.from_hf": "takes models: tests/test_interop_hf.py",
    "seqlib.interop.from_torch": "takes modules: tests/test_interop_torch.py",
    "seqlib.interop.to_torch": "gives modules: tests/test_interop_torch.py",
    "seqlib.nn.*": "modules of torch: tests/test_nn.py, tests/test_nn_attention.py",
    "seqlib.train.*": "takes modules of torch, files, seeds: tests/test_train.py",
}


def load(name):
    """Import a module; None where that fails for want of an optional package."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in OPTIONAL:
            raise
        return None


def public_modules():
    """Return all modules without an underscore; a package with `__all__` is one."""
    found, inside = {}, []
    walked = pkgutil.walk_packages(seqlib.__path__, "seqlib.", onerror=lambda _: None)
    for _, name, _ in walked:
        hidden = any(part.startswith("_") for part in name.split("."))
        if hidden or name.startswith(tuple(inside)):
            continue
        found[name] = module = load(name)
        if hasattr(module, "__path__") and hasattr(module, "__all__"):
            inside.append(name + ".")
    return found


def public_functions():
    """Return {dotted name: function}, a function that has several names under one.

    The rule: a function is public if its name and its module's have no underscore in
    front; where a module has `__all__`, if it stands there. Classes have tests of their
    own.
    """
    found, seen = {}, set()
    modules = {name: m for name, m in public_modules().items() if m is not None}
    for own in (True, False):  # under the name of the module that defines it, if public
        for where, module in modules.items():
            names = getattr(module, "__all__", None) or vars(module)
            for name in names:
                f = getattr(module, name)
                if name.startswith("_") or not inspect.isfunction(f) or f in seen:
                    continue
                home = f.__module__
                listed = hasattr(module, "__all__")
                if home == where if own else listed and home.startswith("seqlib"):
                    found[f"{where}.{name}"] = f
                    seen.add(f)
    return found


def collect():
    """Return all CALLS, VARIANTS, EXCEPTIONS, GRADIENTS and ELSEWHERE, each merged.

    Functions that a module's NEEDS says need a package are called where it is there.
    """
    merged = {n: {} for n in ("CALLS", "VARIANTS", "EXCEPTIONS", "GRADIENTS")}
    merged["ELSEWHERE"] = dict(ELSEWHERE)
    for _, name, _ in pkgutil.iter_modules(__path__, f"{__name__}."):
        module = load(name)
        for kind, entries in merged.items():
            more = getattr(module, kind, {})
            twice = set(more) & set(entries) if kind != "ELSEWHERE" else ()
            assert not twice, f"{name}: {kind} has a row twice"
            entries |= more
        for package, functions in getattr(module, "NEEDS", {}).items():
            if importlib.util.find_spec(package) is None:
                for f in functions:
                    merged["CALLS"].pop(f)
                    merged["ELSEWHERE"][f"seqlib.data.{f.__name__}"] = (
                        f"needs {package}, which is not here"
                    )
    return merged


def elsewhere(name, reasons):
    """Tell whether a function without a row is spoken for."""
    return any(fnmatchcase(name, pattern) for pattern in reasons)
