"""How far a state of maps sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Rng

# 10-5 --------------------------------------------------------------------------------


def reach(kernels: Sequence[tuple[int, int]], steps_back: int) -> int:
    """Return how far the top layer sees in the frame so many steps back."""
    return _reach(kernels, steps_back)


def _half(K: int) -> int:
    return (K - 1) // 2


def _reach(
    kernels: Sequence[tuple[int, int]],
    steps_back: int,
    travel: Callable[[list[int]], int] = max,
    half: Callable[[int], int] = _half,
) -> int:
    enter = sum(half(K_ih) for K_ih, _ in kernels)
    return enter + steps_back * travel([half(K_hh) for _, K_hh in kernels])


def _reach_cases(rng: Rng) -> Iterator[Case]:
    def odd() -> int:
        return int(rng.choice([3, 5, 7]))

    k = int(rng.integers(2, 6))
    yield Case("one layer", ([(odd(), odd())], k))
    yield Case("one layer", ([(3, 7)], k + 1))
    yield Case("one layer", ([(7, 1)], k), "a state kernel of one pixel")
    yield Case("this frame", ([(odd(), 3), (5, odd())], 0), "the frame just seen")
    yield Case("deep", ([(3, 5), (odd(), 3)], k), "two layers")
    yield Case("deep", ([(5, 3), (3, 7), (odd(), 5)], k), "three layers")


def _reach_by_search(kernels: Sequence[tuple[int, int]], steps_back: int) -> int:
    """Walk back from the top layer, the best way from each layer and step."""
    best = {(0, 0): (kernels[0][0] - 1) // 2}
    for k in range(steps_back + 1):
        for layer, (K_ih, K_hh) in enumerate(kernels):
            ways = [best[0, 0]] if layer == k == 0 else []
            if layer:
                ways.append(best[layer - 1, k] + (K_ih - 1) // 2)
            if k:
                ways.append(best[layer, k - 1] + (K_hh - 1) // 2)
            best[layer, k] = max(ways)
    return best[len(kernels) - 1, steps_back]


REACH = Exercise(
    id="10-5",
    title="Derive: how far does a deep one see?",
    marks={"one layer": 1, "this frame": 1, "deep": 2},
    difficulty=3,
    importance=2,
    minutes=20,
    returns=("the radius",),
    reference=reach,
    cases=_reach_cases,
    mistakes={
        "In one step back the news passes one state kernel, not those of all layers: "
        "it is in one layer at a time.": lambda n, k: _reach(n, k, travel=sum),
        "The news may travel in any layer; the farthest way goes through the layer "
        "with the largest state kernel, not always the top one.": (
            lambda n, k: _reach(n, k, travel=lambda a: a[-1])
        ),
        "The news may travel in any layer; the farthest way goes through the layer "
        "with the largest state kernel, not always the first one.": (
            lambda n, k: _reach(n, k, travel=lambda a: a[0])
        ),
        "The radius is asked for: K pixels reach (K - 1) / 2 to each side.": (
            lambda n, k: _reach(n, k, half=lambda K: K - 1)
        ),
        "A kernel of K pixels has one in the middle and (K - 1) / 2 to each side, not "
        "K.": lambda n, k: _reach(n, k, half=lambda K: K),
        "steps_back = 0 is the frame just seen: no state kernel is passed there, one "
        "for each step back after that.": lambda n, k: _reach(n, k + 1),
        "The way up passes the input kernels of all layers, not of the first alone.": (
            lambda n, k: _reach([n[0], *[(1, K) for _, K in n[1:]]], k)
        ),
        "The input kernels are passed once, on the way up, and not at every step.": (
            lambda n, k: (
                k * max(_half(b) for _, b in n) + (k + 1) * sum(_half(a) for a, _ in n)
            )
        ),
    },
    also_right=(_reach_by_search,),
)
