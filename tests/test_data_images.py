"""Digits, scenes, clips and recordings: what is said of them can be found in them."""

import hashlib
import sys
from itertools import groupby

import numpy as np
import pytest
from comparing import close
from scipy.signal import spectrogram
from sklearn.datasets import load_digits

from seqlib.data import (
    EXERCISES,
    JOINTS,
    KEYWORDS,
    POSES,
    bouncing_shapes,
    captchas,
    digit_sequences,
    handwriting,
    keyword_recordings,
    pose_clips,
    scenes,
    shifted_digits,
)
from seqlib.data._shapes import OUTLINES, coverage
from seqlib.data.poses import LIMBS, SEQUENCES
from seqlib.data.scenes import COLOURS, SIZES

AREAS = {"circle": np.pi, "square": 4, "triangle": 2, "cross": 20 / 9}  # times r²


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def file():
    """Return scikit-learn's own digits."""
    return load_digits()


# Digits


@pytest.mark.referee("seqlib.data.digit_sequences", by="scikit-learn")
def test_digits_are_those_of_the_file(file):
    every = digit_sequences("all")
    np.testing.assert_array_equal(every.x, file.images / 16)
    np.testing.assert_array_equal(every.labels, file.target)
    assert every.x.min() == 0
    assert every.x.max() == 1


def test_no_digit_is_in_both_parts(file):
    train, test = digit_sequences("train"), digit_sequences("test")
    assert not set(train.sample) & set(test.sample)
    assert sorted([*train.sample, *test.sample]) == list(range(1797))
    # every sheet begins with 0 to 9 three times, so the cut is where a sheet begins
    assert test.labels[:30].tolist() == 3 * list(range(10))
    for part in (train, test):
        assert np.bincount(part.labels).min() > 45
        np.testing.assert_array_equal(part.labels, file.target[part.sample])


def test_digits_are_read_by_rows_and_by_pixels(file):
    rows = digit_sequences("test", by="rows")
    single = digit_sequences("test", by="pixels")
    assert single.x.shape == (510, 64, 1)
    for i in (0, 17):
        picture = file.images[single.sample[i]] / 16
        np.testing.assert_array_equal(rows.x[i], picture)
        walked = [picture[r, c] for r in range(8) for c in range(8)]
        assert single.x[i, :, 0].tolist() == walked


def test_a_missing_library_is_named(monkeypatch):
    handwriting._file.cache_clear()
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ModuleNotFoundError, match="pip install scikit-learn"):
        digit_sequences()


def test_the_digits_cannot_be_spoilt():
    with pytest.raises(ValueError, match="read-only"):
        handwriting._file()[0][0] = 1
    one = digit_sequences()
    one.x[:] = 0
    assert digit_sequences().x.any()


@pytest.mark.referee("seqlib.data.shifted_digits", by="scikit-learn")
def test_shifted_digits_lie_where_they_say(file):
    drawn = shifted_digits(300, rng(), size=15, shift=3)
    for image, label, shift, sample in zip(*drawn, strict=True):
        back = np.roll(image, -shift, axis=(0, 1))
        np.testing.assert_array_equal(back[3:11, 3:11] * 16, file.images[sample])
        assert image.sum() == back[3:11, 3:11].sum()
        assert label == file.target[sample]
    assert set(drawn.shifts.ravel()) == set(range(-3, 4))
    assert drawn.sample.max() < 1287 <= shifted_digits(9, rng(), part="test")[3].min()


def test_without_shift_a_digit_is_in_the_middle():
    drawn = shifted_digits(50, rng(), size=12, shift=0)
    assert not drawn.shifts.any()
    assert not drawn.images[:, :2].any()
    assert not drawn.images[..., 10:].any()


@pytest.mark.referee("seqlib.data.captchas", by="scikit-learn")
@pytest.mark.parametrize(("length", "overlap"), [(4, 0), ((2, 5), 3), (1, 7)])
def test_captchas_are_their_digits_side_by_side(file, length, overlap):
    drawn = captchas(100, rng(), length, overlap=overlap, lines=0, noise=0)
    least, most = length if isinstance(length, tuple) else (length, length)
    assert drawn.images.shape == (100, 12, 8 * most + 2)
    long = drawn.mask.sum(axis=1)
    assert (long.min(), long.max()) == (least, most)
    for image, labels, mask, corners, sample in zip(*drawn, strict=True):
        again = np.zeros_like(image)
        for label, (row, column), number in zip(
            labels[mask], corners[mask], sample[mask], strict=True
        ):
            assert label == file.target[number]
            part = again[row : row + 8, column : column + 8]
            part[:] = np.maximum(part, file.images[number] / 16)
        np.testing.assert_array_equal(image, again)
        steps = np.diff(corners[mask][:, 1])
        assert ((8 - overlap <= steps) & (steps <= 8)).all()
        assert mask[: mask.sum()].all()  # the padding comes last
        for padded in (labels, corners, sample):
            assert not padded[~mask].any()
    assert set(drawn.corners[..., 0].ravel()) == set(range(5))


def test_captchas_of_test_digits_hold_no_training_digit():
    for part, low, high in (("train", 0, 1287), ("test", 1287, 1797)):
        drawn = captchas(200, rng(), part=part)
        assert ((low <= drawn.sample) & (drawn.sample < high)).all()


def test_strokes_run_straight_from_edge_to_edge():
    plain = captchas(20, rng(), lines=0, noise=0)
    struck = captchas(20, rng(), lines=1, noise=0)
    np.testing.assert_array_equal(plain.labels, struck.labels)
    assert (struck.images >= plain.images).all()
    y = np.arange(12) + 0.5
    for stroke in handwriting._strokes(20, 12, 34, rng()):
        total = stroke.sum(axis=0)
        if total[[0, -1]].min() < total[17] * 0.999:
            continue  # it leaves by the upper or lower edge
        middle = (stroke * y[:, None]).sum(axis=0) / total
        line = np.polyfit(np.arange(34), middle, 1)
        close(np.polyval(line, np.arange(34)), middle, within=0.02)
        across = total[17] * np.cos(np.arctan(line[0])) / stroke.max()
        assert 0.9 < across < 1.15  # one pixel wide


def test_noise_has_the_strength_asked_for():
    empty = captchas(300, rng(), lines=0, noise=0).images == 0
    noisy = captchas(300, rng(), lines=0, noise=0.2).images[empty]
    assert noisy.min() == 0
    assert abs(noisy.mean() - 0.2 / np.sqrt(2 * np.pi)) < 0.002  # half of a bell


# Scenes


@pytest.mark.parametrize("shape", OUTLINES)
@pytest.mark.parametrize("r", [3.0, 5.3, 8.0])
def test_ink_is_area(shape, r):
    x, y = rng().uniform(11, 13, size=(2, 100))
    total = coverage(OUTLINES[shape], x, y, r, 24).sum(axis=(1, 2)) / r**2
    assert abs(total / AREAS[shape] - 1).max() < 0.02
    if shape == "circle":
        assert abs(total.mean() - np.pi) < np.pi * 0.0025
    alone = coverage(OUTLINES[shape], x[7], y[7], r, 24)
    np.testing.assert_array_equal(alone, coverage(OUTLINES[shape], x, y, r, 24)[7])


def test_a_square_on_whole_pixels_is_sharp():
    picture = coverage(OUTLINES["square"], 4, 5, 2, 10)
    wanted = np.zeros((10, 10))
    wanted[3:7, 2:6] = 1
    np.testing.assert_array_equal(picture, wanted)


def true_of(caption, boxes):
    """Say whether the sentence holds, from its words and the boxes of its things."""
    if len(caption) == 4:
        return True
    (left, top, right, bottom), (left2, top2, right2, bottom2) = boxes
    return {
        "left": right < left2,
        "right": right2 < left,
        "above": bottom < top2,
        "below": bottom2 < top,
    }[caption[4]]


@pytest.mark.referee("seqlib.data.scenes", by="the boxes' own geometry")
@pytest.mark.parametrize("varied", [False, True])
def test_captions_are_true_of_the_picture(varied):
    drawn = scenes(300, rng(), objects=(1, 2), varied=varied)
    for image, caption, refers, truths, things, boxes, masks in zip(
        *drawn, strict=True
    ):
        assert caption == truths[0]
        assert true_of(caption, boxes)
        assert len(caption) == len(refers)
        assert len(truths) == len(things)
        for k, (thing, box, mask) in enumerate(zip(things, boxes, masks, strict=False)):
            named = [w for w, of in zip(caption, refers, strict=True) if of == k]
            assert named == ["a", thing.size, thing.colour, thing.shape]
            half = SIZES[thing.size] * 32
            close(box[2:] - box[:2], np.array([2 * half, 2 * half]))
            rows, columns = np.nonzero(mask)
            around = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            tip = 2 if thing.shape == "triangle" else 1  # its tips are thin
            assert abs(np.array(around) - box).max() <= tip
            seen = image[:, *np.argwhere(mask)[len(rows) // 2]]
            close(
                seen / seen.max(),
                np.array(COLOURS[thing.colour]) / max(COLOURS[thing.colour]),
                1e-6,
            )
            ink_of = image.sum(axis=0)[
                int(box[1]) - 1 : int(box[3]) + 2, int(box[0]) - 1 : int(box[2]) + 2
            ]
            if len(things) == 1:
                area = ink_of.sum() / sum(COLOURS[thing.colour])
                assert abs(area / (AREAS[thing.shape] * half**2) - 1) < 0.05
        if len(things) == 2:
            assert things[0][:3] != things[1][:3]
            assert not (masks[0] & masks[1]).any()
            assert true_of(truths[1], boxes[::-1])
            (x, y) = (abs(things[0][i] - things[1][i]) for i in (3, 4))
            clear = x >= 2 * y if caption[4] in ("left", "right") else y >= 2 * x
            assert clear
        else:
            assert not boxes[1:].any()
            assert not masks[1:].any()
    relations = {caption[4] for caption in drawn.captions if len(caption) > 4}
    assert relations == {"left", "above"} | ({"right", "below"} if varied else set())
    assert {len(things) for things in drawn.things} == {1, 2}
    assert drawn.images.max() <= 1


def test_things_keep_clear_of_the_edge_and_of_each_other():
    drawn = scenes(300, rng(1), size=24)
    assert drawn.boxes.min() >= 1 - 1e-9
    assert drawn.boxes.max() <= 23 + 1e-9
    first, second = drawn.boxes[:, 0], drawn.boxes[:, 1]
    gap = np.maximum(second[:, :2] - first[:, 2:], first[:, :2] - second[:, 2:])
    assert gap.max(axis=1).min() >= 1 - 1e-9


# Clips of poses


@pytest.fixture(scope="module")
def clips():
    return pose_clips(60, rng(), noise=0)


def test_a_clip_goes_through_the_poses_of_its_exercise(clips):
    assert set(clips.exercises) == set(range(len(EXERCISES)))
    for poses, mask, exercise in zip(
        clips.poses, clips.mask, clips.exercises, strict=True
    ):
        assert mask[: mask.sum()].all()
        told = [POSES[p] for p, _ in groupby(poses[mask])]
        assert told == list(SEQUENCES[EXERCISES[exercise]])
    assert sorted(SEQUENCES[EXERCISES[-1]]) == sorted(SEQUENCES[EXERCISES[-2]])
    assert SEQUENCES[EXERCISES[-1]] == SEQUENCES[EXERCISES[-2]][::-1]


def test_a_pose_changes_its_name_half_way():
    drawn = pose_clips(20, rng(), pace=3)  # on the way 0.16, 0.5 and 0.84
    for poses, mask in zip(drawn.poses, drawn.mask, strict=True):
        runs = [len(list(run)) for _, run in groupby(poses[mask])]
        assert runs in ([4, 6, 5], [4, 6, 6, 5])


def test_padding_is_empty_and_clips_differ_in_length(clips):
    long = clips.mask.sum(axis=1)
    assert long.max() == clips.frames.shape[1]
    assert long.min() < long.max()
    for array in (clips.frames, clips.poses, clips.joints):
        assert not array[~clips.mask].any()
    noisy = pose_clips(5, rng(), noise=0.1)
    assert not noisy.frames[~noisy.mask].any()
    assert set(np.concatenate([[2], long])) <= set(range(2, 29))


def named(joints):
    """Name a pose from where the joints are, in heights of the body."""
    at = dict(zip(JOINTS, joints, strict=True))
    hands = [at["left hand"], at["right hand"]]
    feet = abs(at["left foot"] - at["right foot"])
    if abs(at["head"] - at["hip"])[0] > 0.2:
        return "fold"
    if feet[1] > 0.1:
        return "tree"
    if at["hip"][1] - max(at["left foot"][1], at["right foot"][1]) > -0.36:
        bent = [
            abs(at[f"{side} knee"][1] - at["hip"][1]) < 0.12
            for side in ("left", "right")
        ]
        return "squat" if all(bent) else "warrior"
    if max(hand[1] for hand in hands) < at["head"][1]:
        return "reach" if feet[0] < 0.3 else "star"
    return "star" if feet[0] > 0.3 else "stand"


@pytest.mark.referee("seqlib.data.pose_clips", by="rules over the joints")
def test_poses_can_be_told_from_the_joints():
    drawn = pose_clips(60, rng(), view=0, pace=(2, 3))
    seen = set()
    for joints, poses, mask in zip(drawn.joints, drawn.poses, drawn.mask, strict=True):
        body = joints[mask] / (24 * 0.72)
        held = np.append((body[1:] == body[:-1]).all(axis=(1, 2)), False)
        for figure, pose in zip(body[held], poses[mask][held], strict=True):
            assert named(figure) == POSES[pose]
            seen.add(int(pose))
    assert seen == set(range(len(POSES)))


def test_limbs_keep_their_length_and_a_foot_the_ground():
    drawn = pose_clips(30, rng(), view=0)
    joints = drawn.joints[drawn.mask]
    for k, (joint, length) in enumerate(LIMBS.values(), 1):
        limb = joints[:, k] - joints[:, JOINTS.index(joint)]
        close(np.hypot(*limb.T), np.full(len(limb), length * 24 * 0.72), within=1e-9)
    ground = joints[..., 1].max(axis=1)
    close(ground, np.full(len(ground), 24 * 0.93), within=1e-9)


def test_the_view_differs_from_clip_to_clip(clips):
    spread = [np.ptp(clips.joints[clips.mask[:, 0], 0, k, 0]) for k in range(11)]
    same = pose_clips(60, rng(), view=0)
    assert min(spread) > 1
    close(same.joints[:, 0], np.broadcast_to(same.joints[0, 0], (60, 11, 2)))
    right = JOINTS.index("right hand")
    side = clips.joints[:, 0, right, 0] > clips.joints[:, 0, 0, 0]
    assert 0.3 < side.mean() < 0.7  # mirrored half of the time


def test_ink_is_where_the_limbs_are(clips):
    x, y = np.arange(24)[None] + 0.5, np.arange(24)[:, None] + 0.5
    for clip, t in ((0, 0), (7, 5), (23, 9)):
        frame, joints = clips.frames[clip, t], clips.joints[clip, t]
        distance = np.full((24, 24), np.inf)
        for k, (joint, _) in enumerate(LIMBS.values(), 1):
            a, b = joints[JOINTS.index(joint)], joints[k]
            u = ((x - a[0]) * (b - a)[0] + (y - a[1]) * (b - a)[1]) / (
                (b - a) @ (b - a)
            )
            u = np.clip(u, 0, 1)
            away = np.hypot(x - a[0] - u * (b - a)[0], y - a[1] - u * (b - a)[1])
            distance = np.minimum(distance, away)
        head = np.hypot(
            *(np.stack(np.broadcast_arrays(x, y)) - joints[2][:, None, None])
        )
        distance = np.minimum(distance, head - 0.7)
        assert frame[distance < 0.4].min() > 0.6
        assert frame[distance > 3].max() < 0.01
        assert ((joints > 0) & (joints < 24)).all()


def test_every_figure_stays_in_the_picture():
    joints = (drawn := pose_clips(400, rng(5), size=32)).joints[drawn.mask]
    assert joints.min() > 0.5
    assert joints.max() < 31.5


# Bouncing shapes


def bounce(place, velocity, low, high):
    """Fly for one frame along one axis, from wall to wall: an event at a time."""
    left = 1.0
    while left > 0 and velocity:
        wall = high if velocity > 0 else low
        until = (wall - place) / velocity
        if until > left:
            return place + velocity * left, velocity
        place, velocity, left = wall, -velocity, left - until
    return place, velocity


@pytest.mark.referee("seqlib.data.bouncing_shapes", by="enumeration")
def test_walls_turn_the_flight_around():
    drawn = bouncing_shapes(
        40, rng(), steps=30, size=12, shapes=2, radius=3, speed=(2, 9)
    )
    turns = 0
    for n in range(40):
        for k in range(2):
            for axis in range(2):
                place = drawn.positions[n, 0, k, axis]
                velocity = drawn.velocities[n, 0, k, axis]
                for t in range(1, 30):
                    place, after = bounce(place, velocity, 3.0, 9.0)
                    turns += after != velocity
                    velocity = after
                    assert abs(drawn.positions[n, t, k, axis] - place) < 1e-9
                    assert drawn.velocities[n, t, k, axis] == velocity
    assert turns > 1000
    assert drawn.positions.min() >= 3
    assert drawn.positions.max() <= 9
    speed = np.hypot(*np.moveaxis(drawn.velocities, -1, 0))
    assert ((speed > 2 - 1e-9) & (speed < 9 + 1e-9)).all()


def test_frames_show_the_shapes_where_they_are():
    drawn = bouncing_shapes(60, rng(), steps=8, radius=2.5)
    x, y = np.arange(16)[None] + 0.5, np.arange(16)[:, None] + 0.5
    for clip, places, kinds in zip(
        drawn.frames, drawn.positions, drawn.shapes, strict=True
    ):
        for frame, place in zip(clip, places, strict=True):
            total = frame.sum()
            area = [np.pi, 4][kinds[0]] * 2.5**2
            assert abs(total / area - 1) < 0.015
            middle = [(frame * x).sum() / total, (frame * y).sum() / total]
            assert abs(middle - place[0]).max() < 0.1
    assert set(drawn.shapes.ravel()) == {0, 1}


def test_several_shapes_are_drawn_over_each_other():
    both = bouncing_shapes(20, rng(), shapes=2, radius=2.5)
    assert both.frames.max() == 1
    assert both.positions.shape == (20, 20, 2, 2)
    covered = both.frames.sum(axis=(2, 3))
    apart = abs(both.positions[:, :, 0] - both.positions[:, :, 1]).max(axis=-1) > 6.5
    areas = np.array([np.pi, 4])[both.shapes].sum(axis=1) * 2.5**2
    assert apart.any()
    close(covered[apart], np.broadcast_to(areas[:, None], apart.shape)[apart], 0.015)


# Recordings


@pytest.mark.referee("seqlib.data.keyword_recordings", by="scipy.signal.spectrogram")
def test_the_spectrogram_is_that_of_scipy():
    drawn = keyword_recordings(5, rng())
    for sound, picture in zip(drawn.sounds, drawn.spectrograms, strict=True):
        _, _, power = spectrogram(
            sound.astype(float),
            window="hann",
            nperseg=64,
            noverlap=32,
            detrend=False,
            scaling="spectrum",
            mode="psd",
        )
        power = power[1:]
        power[-1] *= 2  # scipy doubles all but the last, where there is no other side
        level = 10 * np.log10(power / power.max())
        close(picture, np.clip(1 + level / 40, 0, 1), within=1e-4)


@pytest.mark.parametrize("snr", [-5.0, 0.0, 10.0])
def test_the_word_is_as_loud_as_asked_for(snr):
    drawn = keyword_recordings(300, rng(), snr=snr)
    time = np.arange(drawn.sounds.shape[1]) - 32 * drawn.starts[:, None]
    inside = (time >= 0) & (time < 16 * 32)
    noise = (drawn.sounds[~inside] ** 2).mean()
    word = (drawn.sounds[inside] ** 2).mean() - noise
    assert abs(10 * np.log10(word / noise) - snr) < 0.2
    steady = inside & (drawn.labels == 0)[:, None]
    loud = (drawn.sounds[steady] ** 2).mean() - noise
    assert abs(loud / word - 1) < 0.1  # "none" is not quiet


def courses():
    """Where each word's ridge is, in bands, by the word's meaning."""
    u = (np.arange(15) + 1) / 16
    up = 0.2 + 0.6 * u
    there = 0.2 + 0.6 * (1 - abs(2 * u - 1))
    return {"rise": up, "fall": 1 - up, "arch": there, "dip": 1 - there}


def test_a_matched_filter_finds_word_and_place():
    drawn = keyword_recordings(200, rng(), snr=3.0)
    right = near = 0
    for picture, label, start in zip(
        drawn.spectrograms, drawn.labels, drawn.starts, strict=True
    ):
        scores = {}
        for word, course in courses().items():
            for offset in np.linspace(-0.05, 0.05, 5):
                bands = np.rint((course + offset) * 32).astype(int) - 1
                for s in range(64 - 15):
                    ridge = picture[np.clip(bands, 0, 31), s + np.arange(15)].mean()
                    scores[word, s] = max(ridge, scores.get((word, s), 0))
        word, found = max(scores, key=scores.get)
        if label:
            right += word == KEYWORDS[label]
            near += abs(found - start) <= 1
    words = (drawn.labels > 0).sum()
    assert right >= 0.98 * words
    assert near >= 0.95 * words
    assert (drawn.starts.min(), drawn.starts.max()) == (0, 48)
    assert set(drawn.labels) == set(range(5))


def test_none_is_a_tone_of_one_pitch():
    drawn = keyword_recordings(40, rng(), snr=20.0)
    for picture, start in zip(
        drawn.spectrograms[drawn.labels == 0],
        drawn.starts[drawn.labels == 0],
        strict=True,
    ):
        loudest = picture[:, start + 3 : start + 13].argmax(axis=0)
        assert np.ptp(loudest) <= 1


# All of them

MAKERS = {
    captchas: ("images", "377e"),
    shifted_digits: ("images", "0fc8"),
    scenes: ("images", "f73a"),
    pose_clips: ("frames", "4237"),
    bouncing_shapes: ("frames", "eb9f"),
    keyword_recordings: ("spectrograms", "801a"),
}
NAMES = [make.__name__ for make in MAKERS]


def alike(one, other):
    """Say whether two results are equal, arrays and lists."""
    return all(
        np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("make", MAKERS, ids=NAMES)
def test_one_seed_one_picture_on_every_machine(make):
    field, digest = MAKERS[make]
    drawn = make(6, rng(3))
    assert alike(drawn, make(6, rng(3)))
    assert not alike(drawn, make(6, rng(4)))
    picture = getattr(drawn, field)
    assert picture.dtype == np.float32
    assert picture.min() >= 0
    assert picture.max() <= 1
    rough = np.rint(picture.astype(float) * 100).astype("<i4")  # no last digits
    assert hashlib.sha256(rough.tobytes()).hexdigest()[:4] == digest


@pytest.mark.parametrize("make", MAKERS, ids=NAMES)
def test_count_and_generator_are_checked(make):
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        make(0, rng())
    with pytest.raises(TypeError, match=r"count must be a whole number, got 2\.5"):
        make(2.5, rng())
    with pytest.raises(TypeError, match="rng must be a numpy generator"):
        make(2, 0)


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (
            lambda: digit_sequences("dev"),
            "part must be one of 'train', 'test', 'all'",
        ),
        (lambda: digit_sequences(by="columns"), "by must be one of 'rows', 'pixels'"),
        (lambda: shifted_digits(1, rng(), size=7), "size must be at least 8, got 7"),
        (
            lambda: shifted_digits(1, rng(), size=10, shift=2),
            "shift must be .* at most 1",
        ),
        (lambda: shifted_digits(1, rng(), part="dev"), "part must be one of"),
        (lambda: captchas(1, rng(), length=0), "length must be at least 1, got 0"),
        (lambda: captchas(1, rng(), length=(4, 2)), r"least first, got \(4, 2\)"),
        (lambda: captchas(1, rng(), length=(4,)), r"a number or \(least, most\), got"),
        (lambda: captchas(1, rng(), overlap=8), "overlap must be at least 0 and at mo"),
        (lambda: captchas(1, rng(), jitter=-1), "jitter must be at least 0, got -1"),
        (lambda: captchas(1, rng(), lines=-1), "lines must be at least 0, got -1"),
        (lambda: captchas(1, rng(), noise=np.nan), "noise must be at least 0, got nan"),
        (lambda: captchas(1, rng(), part="dev"), "part must be one of"),
        (
            lambda: scenes(1, rng(), objects=3),
            "objects must be at least 1 and at most 2",
        ),
        (lambda: scenes(1, rng(), size=23), "size must be at least 24, got 23"),
        (lambda: pose_clips(1, rng(), size=15), "size must be at least 16, got 15"),
        (lambda: pose_clips(1, rng(), pace=(0, 2)), "pace must be at least 1, got 0"),
        (
            lambda: pose_clips(1, rng(), view=1.5),
            "view must be at least 0 and at most 1",
        ),
        (
            lambda: pose_clips(1, rng(), noise=-0.1),
            "noise must be at least 0, got -0.1",
        ),
        (lambda: bouncing_shapes(1, rng(), steps=0), "steps must be at least 1, got 0"),
        (lambda: bouncing_shapes(1, rng(), size=3), "size must be at least 4, got 3"),
        (lambda: bouncing_shapes(1, rng(), shapes=0), "shapes must be at least 1, got"),
        (lambda: bouncing_shapes(1, rng(), radius=8), "radius must be .* below 8.0"),
        (
            lambda: bouncing_shapes(1, rng(), speed=(2, 1)),
            "speed must be at least 2, g",
        ),
        (lambda: bouncing_shapes(1, rng(), speed=1), r"speed must be \(least, most\)"),
        (lambda: bouncing_shapes(1, rng(), speed=(0, np.inf)), "speed must be finite"),
        (lambda: keyword_recordings(1, rng(), snr=np.inf), "snr must be at least -100"),
        (lambda: keyword_recordings(1, rng(), frames=15), "frames must be at least 16"),
    ],
)
def test_wrong_sizes_are_explained(act, sentence):
    with pytest.raises(ValueError, match=sentence):
        act()


def test_wrong_kinds_are_explained():
    with pytest.raises(TypeError, match="varied must be True or False, got 1"):
        scenes(1, rng(), varied=1)
    with pytest.raises(TypeError, match=r"length must be a whole number, got 2\.5"):
        captchas(1, rng(), length=(1, 2.5))
