"""Clips of a stick figure that exercises, frame by frame and pose by pose."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqlib._check import number, whole

from ._draw import positive
from ._ranges import Span, span

#: Each limb, the joint where it begins, and its length in heights of the body.
LIMBS = {
    "chest": ("hip", 0.30),
    "head": ("chest", 0.12),
    "left elbow": ("chest", 0.16),
    "left hand": ("left elbow", 0.16),
    "right elbow": ("chest", 0.16),
    "right hand": ("right elbow", 0.16),
    "left knee": ("hip", 0.24),
    "left foot": ("left knee", 0.24),
    "right knee": ("hip", 0.24),
    "right foot": ("right knee", 0.24),
}
JOINTS = ("hip", *LIMBS)
HEAD = 0.07  # its radius

# Angles of the limbs in that order, in degrees: 0 hangs down, 90 points to the right
# of the picture, 180 up.
ANGLES = {
    "stand": (180, 180, -28, -18, 28, 18, -10, -8, 10, 8),
    "reach": (180, 180, -145, -165, 145, 165, -10, -8, 10, 8),
    "star": (180, 180, -115, -125, 115, 125, -34, -32, 34, 32),
    "squat": (180, 180, -90, -90, 90, 90, -68, -6, 68, 6),
    "tree": (180, 180, -150, -205, 150, 205, 0, 0, 62, -55),
    "warrior": (180, 180, -90, -90, 90, 90, -52, -52, 68, 0),
    "fold": (65, 50, -4, 0, 14, 8, -10, -8, 10, 8),
}
POSES = tuple(ANGLES)
#: An exercise is an order of poses; the last two hold the same poses.
SEQUENCES = {
    "arm raise": ("stand", "reach", "stand"),
    "jumping jack": ("stand", "star", "stand"),
    "squat": ("stand", "squat", "stand"),
    "tree": ("stand", "tree", "stand"),
    "warrior": ("stand", "warrior", "stand"),
    "bow": ("stand", "fold", "stand"),
    "reach and bow": ("stand", "reach", "fold", "stand"),
    "bow and reach": ("stand", "fold", "reach", "stand"),
}
EXERCISES = tuple(SEQUENCES)


class PoseClips(NamedTuple):
    """Clips of exercises, of unequal length.

    frames : (N, T, S, S) float32 from 0 to 1, the figure is bright; 0 in the padding
    mask : (N, T) booleans, True where the frame is real
    poses : (N, T) integers, the pose's place in POSES; 0 in the padding
    exercises : (N,) integers, the exercise's place in EXERCISES
    joints : (N, T, 11, 2) x and y of every joint of JOINTS, in pixels from the upper
        left; 0 in the padding
    """

    frames: np.ndarray
    mask: np.ndarray
    poses: np.ndarray
    exercises: np.ndarray
    joints: np.ndarray


def pose_clips(
    count: int,
    rng: np.random.Generator,
    size: int = 24,
    pace: Span = (2, 4),
    view: float = 1.0,
    noise: float = 0.05,
) -> PoseClips:
    """Draw clips of a stick figure that goes through the poses of an exercise.

    Each pose is held, and each way from one to the next lasts, a number of frames drawn
    from `pace`; on the way the limbs turn, slowly at both ends, and the pose changes
    its name half-way. Two exercises have the same poses in another order: a bag of
    frames cannot tell them apart.

    Parameters
    ----------
    count, rng : how many clips, and numpy's random generator
    size : S, pixels of a side, at least 16
    pace : frames of one part, a number or a range (least, most)
    view : how much the view differs from clip to clip, 0 to 1: distance, place, a turn
        of up to 35 degrees, a tilt of up to 5, and the mirrored figure; also limbs
    noise : standard deviation of the noise on real frames; the sum is cut to 0 to 1

    Errors: a count or size below its least, pace below 1, view outside 0 to 1, rng no
    generator.
    """
    positive(count, rng)
    whole("size", size, 16)
    ends = span("pace", pace, 1)
    number("view", view, 0, 1)
    number("noise", noise, 0)
    exercises = rng.integers(len(EXERCISES), size=count)
    played = [_play(SEQUENCES[EXERCISES[e]], ends, rng) for e in exercises]
    long = np.array([len(poses) for poses, _ in played])
    mask = np.arange(long.max()) < long[:, None]
    frames = np.zeros((*mask.shape, size, size), np.float32)
    poses = np.zeros(mask.shape, np.int64)
    joints = np.zeros((*mask.shape, len(JOINTS), 2))
    for i, (named, angles) in enumerate(played):
        body = np.array([length for _, length in LIMBS.values()])
        body *= 1 + 0.08 * view * rng.uniform(-1, 1, size=len(body))
        seen, scale = _seen(_figure(angles, body), size, view, rng)
        poses[i, : long[i]], joints[i, : long[i]] = named, seen
        clip = frames[i, : long[i]]
        clip[:] = _draw(seen, scale, size)
        clip += noise * rng.standard_normal(clip.shape, np.float32)
    return PoseClips(np.clip(frames, 0, 1, out=frames), mask, poses, exercises, joints)


def _play(
    order: tuple[str, ...], ends: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pose of every frame (T,) and the angles of the limbs (T, 10)."""
    parts = rng.integers(ends[0], ends[1] + 1, size=2 * len(order) - 1)
    at = [np.zeros(parts[0])]  # 0 at the first pose, 1 at the second, and so on
    for k, (move, hold) in enumerate(zip(parts[1::2], parts[2::2], strict=True)):
        u = np.arange(1, move + 1) / (move + 1)
        at += [k + u * u * (3 - 2 * u), np.full(hold, k + 1.0)]
    place = np.concatenate(at)
    known = np.array([ANGLES[pose] for pose in order], float)
    steps = np.arange(len(order))
    angles = np.stack([np.interp(place, steps, one) for one in known.T], axis=1)
    nearest = np.floor(place + 0.5).astype(int)
    return np.array([POSES.index(pose) for pose in order])[nearest], angles


def _figure(angles: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Return the joints (T, J, 2) in heights of the body, y up, the lower foot at 0."""
    turned = np.radians(angles)
    ways = body[:, None] * np.stack([np.sin(turned), -np.cos(turned)], axis=-1)
    places = {"hip": np.zeros((len(angles), 2))}
    for k, (limb, (joint, _)) in enumerate(LIMBS.items()):
        places[limb] = places[joint] + ways[:, k]
    joints = np.stack([places[joint] for joint in JOINTS], axis=1)
    joints[..., 1] -= joints[..., 1].min(axis=1, keepdims=True)
    return joints


def _seen(
    joints: np.ndarray, size: int, view: float, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Look at the joints from somewhere: pixels (T, J, 2), and pixels of a height."""
    turn, tilt, near, right, up = view * rng.uniform(-1, 1, size=5)
    scale = size * 0.72 * (1 + 0.06 * near)
    x = joints[..., 0] * np.cos(np.radians(35 * turn))
    if view and rng.integers(2):
        x = -x
    y = joints[..., 1]
    cos, sin = np.cos(np.radians(5 * tilt)), np.sin(np.radians(5 * tilt))
    across = size * (0.5 + 0.04 * right) + scale * (cos * x - sin * y)
    down = size * (0.93 - 0.03 * abs(up)) - scale * (sin * x + cos * y)
    return np.stack([across, down], axis=-1), scale


def _draw(seen: np.ndarray, scale: float, size: int) -> np.ndarray:
    """Draw the figure with a soft brush: dots along the limbs, (T, S, S).

    A dot is a product of two bells, one across and one down, so that the sum of all
    dots is one product of matrices a frame.
    """
    brush = max(0.03 * scale, 0.6)
    dots, weights = [], []
    for k, (joint, length) in enumerate(LIMBS.values(), 1):
        number_of = int(np.ceil(length * scale / brush)) + 1
        u = np.linspace(0, 1, number_of)[:, None]
        begin = seen[:, JOINTS.index(joint), None]  # (T, 1, 2)
        dots.append(begin + u * (seen[:, k, None] - begin))
        weights.append(np.full(number_of, 0.8))
    middle = seen[:, JOINTS.index("head"), None]
    around = 2 * np.pi * np.arange(6)[:, None] / 6
    ring = np.concatenate([np.cos(around), np.sin(around)], axis=1)
    dots.append(middle + HEAD / 2 * scale * ring)
    weights.append(np.full(6, 0.8))
    places = np.concatenate(dots, axis=1)  # (T, P, 2)
    pixel = np.arange(size) + 0.5
    bells = np.exp(-((places[..., None] - pixel) ** 2) / (2 * brush**2))
    across, down = bells[..., 0, :], bells[..., 1, :] * np.concatenate(weights)[:, None]
    return 1 - np.exp(-(down.swapaxes(1, 2) @ across))  # full ink where dots crowd
