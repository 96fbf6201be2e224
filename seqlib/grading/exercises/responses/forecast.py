"""A forecast that knows tomorrow, to be mended."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 4-8 ---------------------------------------------------------------------------------


def forecast(price: Array, N: int, first: int) -> tuple[Array, float]:
    """Return forecast changes (T - first,) of the log price, and their R."""
    return _forecast(price, N, first)


def _forecast(
    price: Array,
    N: int,
    first: int,
    knows_today: bool = False,
    fits_all: bool = False,
    fits_late: bool = False,
    constant: bool = False,
    centred: bool = False,
    level: bool = False,
    plain_changes: bool = False,
) -> tuple[Array, float]:
    """Forecast; the options are the mistakes that one can make."""
    change = np.diff(price if plain_changes else np.log(price))
    means = np.convolve(change, np.ones(N) / N)[N - 1 : len(change)]
    if knows_today:
        means, target = means[1:], change[N:]
    else:
        means, target = means[:-1], change[N:]
    start = first - 1 - N  # the place of day `first`
    early = slice(start, None) if fits_late else slice(None if fits_all else start)
    slope, height = means[early] @ target[early] / (means[early] @ means[early]), 0.0
    if constant:
        slope, height = np.polyfit(means[early], target[early], 1)
    guess, truth = slope * means[start:] + height, target[start:]
    naive = truth - truth.mean() if centred else truth
    if level:
        naive = np.log(price[first:])
    return guess, float(np.sqrt(np.sum((truth - guess) ** 2) / np.sum(naive**2)))


def _forecast_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, N: int, T: int, first: int, note: str = "") -> Case:
        trend, steps = rng.normal(), []
        for shock, noise in rng.normal(size=(T - 1, 2)):
            trend = 0.9 * trend + 0.4 * shock
            steps.append(0.02 * (trend + 0.7 * noise + 0.4))
        price = 100 * np.exp(np.cumsum([0.0, *steps]))
        return Case(aspect, (price, N, first), note)

    yield case("values", 4, 60, 40)
    yield case("values", 2, 50, 20)
    yield case("window of one", 1, 40, 25, "N = 1")
    yield case("one day", 3, 30, 29, "one day to forecast")


Result = tuple[Array, float]


def _forecast_not_rooted(price: Array, N: int, first: int) -> Result:
    guess, R = forecast(price, N, first)
    return guess, R**2


def _forecast_upside_down(price: Array, N: int, first: int) -> Result:
    guess, R = forecast(price, N, first)
    return guess, 1 / R


def _forecast_of_prices(price: Array, N: int, first: int) -> Result:
    guess, R = forecast(price, N, first)
    return np.log(price[first - 1 : -1]) + guess, R


def _forecast_in_place(price: Array, N: int, first: int) -> Result:
    result = forecast(price, N, first)
    price[:] = np.log(price)
    return result


def _forecast_slow(price: Array, N: int, first: int) -> Result:
    """Day by day, with nothing but days before."""
    p = [float(np.log(each)) for each in price]
    mean = {t: (p[t - 1] - p[t - 1 - N]) / N for t in range(N + 1, len(p))}
    step = {t: p[t] - p[t - 1] for t in range(1, len(p))}
    early = range(N + 1, first)
    slope = sum(mean[t] * step[t] for t in early) / sum(mean[t] ** 2 for t in early)
    late = range(first, len(p))
    error = sum((step[t] - slope * mean[t]) ** 2 for t in late)
    return (
        np.array([slope * mean[t] for t in late]),
        (error / sum(step[t] ** 2 for t in late)) ** 0.5,
    )


FORECAST = Exercise(
    id="4-8",
    title="Mend it: a forecast that knows tomorrow",
    marks={"values": 2, "window of one": 1, "one day": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=25,
    returns=("guess", "R"),
    reference=forecast,
    cases=_forecast_cases,
    mistakes={
        "Both faults are still there: the average contains the change that is to be "
        "forecast, and the slope was fitted on days that are to be forecast.": (
            partial(_forecast, knows_today=True, fits_all=True)
        ),
        "One fault is left: the slope was fitted on all days. When day `first` comes, "
        "only days before it are known.": partial(_forecast, fits_all=True),
        "One fault is left: the average for day t ends with the change of day t "
        "itself. It must end with day t - 1.": partial(_forecast, knows_today=True),
        "The slope is fitted on the days to be forecast; fit it on the days before "
        "`first`.": partial(_forecast, fits_late=True),
        "The forecast is slope times average; there is no constant to be fitted.": (
            partial(_forecast, constant=True)
        ),
        "The rival says that nothing changes: divide by the sum of squared changes, "
        "without taking off their mean, which nobody knew.": (
            partial(_forecast, centred=True)
        ),
        "R compares errors with changes, not with the level of the price.": (
            partial(_forecast, level=True)
        ),
        "Changes are differences of the logarithm of the price.": (
            partial(_forecast, plain_changes=True)
        ),
        "The square root is missing in R.": _forecast_not_rooted,
        "R is upside down: the forecast's error stands above, the rival's below.": (
            _forecast_upside_down
        ),
        "Changes are asked for; these are logarithms of prices.": _forecast_of_prices,
        "The caller's prices were overwritten; work on a copy.": _forecast_in_place,
    },
    also_right=(_forecast_slow,),
)
