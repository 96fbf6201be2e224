"""Chance in one place: seeds, and the state of the generators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from seqlib._check import whole


@contextmanager
def seeded(seed: int, devices: Iterable[Any] = ()) -> Iterator[None]:
    """Seed torch's global generator inside a `with`, and restore it afterwards.

    `with seeded(0): model = GPT(...)` makes the same model wherever it stands, and
    changes nothing for what comes after. devices: the GPUs whose generators are to be
    seeded and restored too. Errors: seed is no whole number from 0 to 2^64 - 1.
    """
    whole("seed", seed, 0, 2**64 - 1)
    with torch.random.fork_rng(devices=list(devices)):
        torch.manual_seed(int(seed))
        yield


def generator_of(seed: Any) -> np.random.Generator:
    """Return the numpy generator of a run: the caller's, or one made of a number."""
    if isinstance(seed, np.random.Generator):
        return seed
    try:
        whole("seed", seed, 0)
    except TypeError:
        raise TypeError(
            f"seed must be a whole number or a numpy generator, got {seed!r}"
        ) from None
    return np.random.default_rng(int(seed))


def state_of(rng: np.random.Generator, devices: list[torch.device]) -> dict[str, Any]:
    """Return the state of all generators that a run draws from."""
    return {
        "numpy": rng.bit_generator.state,
        "torch": torch.get_rng_state(),
        "devices": [torch.cuda.get_rng_state(d) for d in devices],
    }


def set_state(
    state: dict[str, Any], rng: np.random.Generator, devices: list[torch.device]
) -> None:
    """Put the generators back into the state that `state_of` returned."""
    rng.bit_generator.state = state["numpy"]
    torch.set_rng_state(state["torch"])
    for device, of_device in zip(devices, state["devices"], strict=False):
        torch.cuda.set_rng_state(of_device, device)
