"""Recordings with a known word in noise, and the spectrograms made of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqlib._check import number, whole

from ._draw import positive

WINDOW, HOP = 64, 32  # samples of a frame, and from one frame to the next
BANDS = WINDOW // 2  # frequencies above 0, up to half the sampling rate
LENGTH = 16  # frames that a word lasts
RANGE = 40.0  # decibels from black to white

#: The words, each a course of pitch from its beginning (0) to its end (1).
KEYWORDS = ("none", "rise", "fall", "arch", "dip")


class Recordings(NamedTuple):
    """Sounds in which one word was said, or none.

    sounds : (N, 32 (T + 1)) float32, the samples
    spectrograms : (N, 32, T) float32 from 0 to 1: frequency, lowest first, and frame
    labels : (N,) integers, the word's place in KEYWORDS; 0 is none
    starts : (N,) integers, the frame in which it begins; it lasts 16 frames
    """

    sounds: np.ndarray
    spectrograms: np.ndarray
    labels: np.ndarray
    starts: np.ndarray


def keyword_recordings(
    count: int, rng: np.random.Generator, snr: float = 0.0, frames: int = 64
) -> Recordings:
    """Draw recordings of a chirped word at a random time in noise, and spectrograms.

    A word is a tone whose pitch rises, falls, or does both. Where the label is "none"
    a tone of one pitch sounds instead, as long and as loud: loudness alone tells
    nothing. The noise is white; `snr` is the power of the word, over its duration,
    against the noise's, in decibels: 10 lg(P_word / P_noise). The spectrogram holds
    the power of 64 samples under a Hann window every 32 samples, in decibels: 1 is a
    recording's strongest cell and 0 all that is 40 dB weaker, or more.

    Errors: count below 1, frames below 16, snr not from -100 to 100, rng no generator.
    """
    positive(count, rng)
    whole("frames", frames, LENGTH)
    number("snr", snr, -100, 100)
    labels = rng.integers(len(KEYWORDS), size=count)
    starts = rng.integers(frames - LENGTH + 1, size=count)
    words = _words(labels, rng)
    power = np.mean(words**2, axis=1, keepdims=True)
    sounds = rng.standard_normal((count, HOP * (frames + 1)))
    sounds *= np.sqrt(power / 10 ** (snr / 10))
    at = starts[:, None] * HOP + np.arange(words.shape[1])
    sounds[np.arange(count)[:, None], at] += words
    return Recordings(sounds.astype(np.float32), _spectrograms(sounds), labels, starts)


def pitch(kind: str, u: np.ndarray) -> np.ndarray:
    """Return the course of a word's pitch, in parts of half the sampling rate."""
    courses = {
        "none": 0 * u,
        "rise": u - 0.5,
        "fall": 0.5 - u,
        "arch": 0.5 - abs(2 * u - 1),
        "dip": abs(2 * u - 1) - 0.5,
    }
    return 0.5 + 0.6 * courses[kind]


def _words(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the samples of each word, without noise: (N, L)."""
    u = np.arange(LENGTH * HOP) / (LENGTH * HOP)
    courses = np.array([pitch(kind, u) for kind in KEYWORDS])
    height = rng.uniform(-0.05, 0.05, size=(len(labels), 1))  # every voice its own
    steady = rng.uniform(-0.25, 0.25, size=(len(labels), 1)) * (labels == 0)[:, None]
    phase = np.pi * np.cumsum(courses[labels] + height + steady, axis=1)
    phase += rng.uniform(0, 2 * np.pi, size=(len(labels), 1))
    return np.sqrt(np.sin(np.pi * u)) * np.sin(phase)  # soft at both ends


def _spectrograms(sounds: np.ndarray) -> np.ndarray:
    """Return the power of each band and frame on the scale from 0 to 1."""
    frames = np.lib.stride_tricks.sliding_window_view(sounds, WINDOW, axis=1)[:, ::HOP]
    hann = np.sin(np.pi * np.arange(WINDOW) / WINDOW) ** 2
    power = abs(np.fft.rfft(frames * hann)[..., 1:]) ** 2  # (N, T, BANDS)
    strongest = power.max(axis=(1, 2), keepdims=True)
    level = 10 * np.log10(np.maximum(power / strongest, 10 ** (-RANGE / 10)))
    return np.ascontiguousarray((1 + level / RANGE).transpose(0, 2, 1), np.float32)
