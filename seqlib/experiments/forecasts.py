"""Tomorrow's price by TDNN, NARX and RNN, against the forecast "as today".

Three worlds. "trend" is made: returns with a slow trend under the noise, so that there
is something to find, and a best possible forecast is known. "google" is the daily price
of one share, "months" are monthly prices of seven shares and indices, forecast
together. Measured is the error of the forecast price (its logarithm), as a ratio to the
error of the naive forecast, which says that the price stays as it is: below 1 the
network wins.

Walk-forward: the days are cut into blocks. Each block is forecast by networks that were
trained, and inputs that were scaled, on earlier days alone; then the next block's
networks are trained from scratch on all days before it. Every network starts as the
naive forecast (its last layer is zero), has about equally many parameters, and is
trained for the same number of steps, fixed in advance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from seqlib.data import daily_prices, monthly_prices
from seqlib.narx import narx

Tensor = torch.Tensor

SEEDS = range(5)
WORLDS = {"trend": (500, 100), "google": (546, 100), "months": (189, 50)}
#: Steps before x_t, and own outputs that come back; an RNN has a state instead.
MODELS = {"TDNN week": (4, 0), "TDNN month": (20, 0), "NARX": (4, 1), "RNN": (0, 0)}
BEST = "best possible"
SETTINGS = (
    *({"world": w, "model": m} for w in WORLDS for m in MODELS),
    {"world": "trend", "model": BEST},
)
KEPT = 0.99  # of the trend from one day to the next; its variance is that of the noise


def returns(world: str, seed: int = 0) -> np.ndarray:
    """Return the steps (T, D) of the logarithm of the prices of one world.

    The trend is drawn anew for each seed; real prices are what they are.
    """
    if world == "google":
        return np.diff(np.log(daily_prices().close))[:, None]
    if world == "months":
        prices = monthly_prices().prices
        prices = prices[:, np.isfinite(prices).all(axis=0)]  # traded from the start
        return np.diff(np.log(prices), axis=0)
    rng = np.random.default_rng([4, seed])
    trend, steps = rng.normal(), []
    for shock, noise in rng.normal(size=(1000, 2)):
        trend = KEPT * trend + (1 - KEPT**2) ** 0.5 * shock
        steps.append(0.01 * (trend + noise))
    return np.array(steps)[:, None]


def hidden_units(model: str, D: int) -> int:
    """Return the number of hidden units for about 115 D parameters."""
    if model == "RNN":
        counts = [H * (2 * D + H + 1) + D for H in range(1, 60)]
    else:
        K, L = MODELS[model]
        counts = [H * ((K + 1) * D + L * D + 1 + D) + D for H in range(1, 60)]
    return 1 + int(np.argmin(np.abs(np.array(counts) - 115 * D)))


def start(model: str, D: int, seeds: Sequence[int]) -> list[Tensor]:
    """Return W, b, V, c for all seeds, stacked: hidden layer and output layer."""
    H = hidden_units(model, D)
    K, L = MODELS[model]
    inputs = D + H if model == "RNN" else (K + 1 + L) * D
    drawn = [
        np.random.default_rng([7, s]).uniform(-1, 1, (H, inputs + 1)) for s in seeds
    ]
    both = torch.tensor(np.array(drawn)) / inputs**0.5  # (S, H, inputs + 1)
    W, b = both[:, :, :-1].clone(), both[:, None, :, -1].clone()
    V, c = torch.zeros(len(seeds), D, H), torch.zeros(len(seeds), 1, D)
    return [p.double().requires_grad_() for p in (W, b, V, c)]


def network(model: str, x: Tensor, p: Sequence[Tensor]) -> Tensor:
    """Return outputs (S, B, T, D) for x (S, B, T, D), zeros before its first step.

    These are `scanning.tdnn`, `narx.narx` and `state_space.state_space` with one more
    axis in front: S networks, one for each seed, are trained in one go.
    """
    W, b, V, c = p
    S, B, T, D = x.shape
    K, L = MODELS[model]
    long = torch.cat([x.new_zeros(S, B, K, D), x], dim=2)
    lags = [long[:, :, K - k : K - k + T] for k in range(K + 1)]  # latest first
    seen = torch.cat(lags, dim=-1).flatten(1, 2)  # (S, B T, (K + 1) D)
    n = seen.shape[-1]
    a = (seen @ W[:, :, :n].mT + b).unflatten(1, (B, T))
    if model != "RNN" and not L:
        return (torch.tanh(a).flatten(1, 2) @ V.mT + c).unflatten(1, (B, T))
    back = W[:, :, n:].mT
    h, y = x.new_zeros(S, B, back.shape[1]), []
    for t in range(T):
        s = torch.tanh(a[:, :, t] + h @ back)
        out = s @ V.mT + c
        h = s if model == "RNN" else out
        y.append(out)
    return torch.stack(y, dim=2)


def train(
    model: str, x: Tensor, seeds: Sequence[int], steps: int, chunk: int = 50
) -> list[Tensor]:
    """Train on x (S, T, D), cut into chunks; the target is the next step of x."""
    p = start(model, x.shape[-1], seeds)
    optimiser = torch.optim.Adam(p, lr=0.01)
    n = (x.shape[1] - 1) // chunk
    ends = x[:, -n * chunk - 1 :]  # the latest n chunks
    inputs = ends[:, :-1].unflatten(1, (n, chunk))
    targets = ends[:, 1:].unflatten(1, (n, chunk))
    for _ in range(steps):
        error = network(model, inputs, p) - targets
        loss = (error**2).mean(dim=(1, 2, 3)).sum()  # each seed for itself
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return [each.detach() for each in p]


def walk_forward(
    model: str,
    steps_of_price: np.ndarray,
    first: int,
    block: int,
    seeds: Sequence[int] = (0,),
    steps: int = 80,
) -> tuple[np.ndarray, np.ndarray]:
    """Return forecasts of all steps after `first`, and the steps, both (S, days, D).

    steps_of_price (T, D) or, another for each seed, (S, T, D). The forecast of a day is
    made from earlier days alone.
    """
    r = torch.tensor(steps_of_price).double()
    r = r.expand(len(seeds), *r.shape) if r.ndim == 2 else r
    found = []
    for day in range(first, r.shape[1] - block + 1, block):
        scale = r[:, :day].std(dim=1, keepdim=True)  # of days before the block
        p = train(model, r[:, :day] / scale, seeds, steps)
        seen = (r[:, : day + block - 1] / scale)[:, None]  # up to the day before
        with torch.no_grad():
            y = network(model, seen, p)[:, 0, -block:]
        found.append(y * scale)
    forecasts = torch.cat(found, dim=1)
    return forecasts.numpy(), r[:, first : first + forecasts.shape[1]].numpy()


def best_weights(kept: float = KEPT) -> tuple[float, float]:
    """Return b and a of y_t = b x_t + a y_{t-1}, the best forecast of a trend.

    It is the steady state of the Kalman filter: P is the variance of the error of the
    forecast trend, in units of the noise, P = kept^2 P / (P + 1) + 1 - kept^2.
    """
    P = 1.0
    for _ in range(10_000):
        P = kept**2 * P / (P + 1) + 1 - kept**2
    gain = P / (P + 1)
    return kept * gain, kept * (1 - gain)


def best_forecasts(r: np.ndarray, first: int) -> np.ndarray:
    """Return forecasts (1, days, 1) of the steps r (T, 1) from `first` on."""
    b, a = best_weights()
    y, _ = narx(r[None, :-1], [(np.array([[b, a]]), None)], 0, 1, "linear")
    return y[:, first - 1 :]


def ratio(forecasts: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the root mean squared error over that of the forecast 0, "as today".

    Forecasts and truth (S, days, D), steps of a log price; every share counts alike.
    """
    error = np.sqrt(((forecasts - truth) ** 2).mean(axis=1))
    naive = np.sqrt((truth**2).mean(axis=1))
    return (error / naive).mean(axis=-1)


def run(seed: int, world: str, model: str) -> dict[str, Any]:
    """Measure one model in one world: its ratio in all, and block by block."""
    torch.set_num_threads(1)
    first, block = WORLDS[world]
    r = returns(world, seed)
    if model == BEST:
        y, truth = best_forecasts(r, first), r[None, first:]
    else:
        y, truth = walk_forward(model, r, first, block, [seed])
    cuts = range(0, y.shape[1], block)
    blocks = [ratio(y[:, i : i + block], truth[:, i : i + block]) for i in cuts]
    return {
        "ratio": float(ratio(y, truth)[0]),
        "blocks": [float(b[0]) for b in blocks],
        "days": y.shape[1],
    }
