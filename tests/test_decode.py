"""Decoding against enumeration, Hugging Face's generate, and the laws of chance."""

import itertools
import math
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest
import torch
from comparing import LIBRARIES, label, to_numpy
from hypothesis import given
from hypothesis import strategies as st

from seqlib._arrays import array_namespace
from seqlib._hypotheses import largest
from seqlib.decode import (
    beam_search,
    exhaustive_search,
    greedy,
    sample,
    sampling_distribution,
    take_rows,
)
from seqlib.recurrent import init_params, recurrent

SEEDS = st.integers(0, 2**32 - 1)
PENALTIES = st.sampled_from([0.0, 0.5, 1.0, 2.0, -1.0])
STOPS = st.sampled_from(["never", True, False])


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


class Model:
    """P(next | all before), a table filled with random rows as they are asked for.

    `memory` is how many tokens back it looks: None for all of them, 1 for Markov.
    """

    def __init__(self, seed, V, memory=None, forbidden=0.0, sharp=2.0):
        self.seed, self.V, self.memory = seed, V, memory
        self.forbidden, self.sharp, self.calls = forbidden, sharp, 0
        self.rows = {}

    def row(self, history):
        """Return log P of every token after a tuple of tokens."""
        seen = history[-self.memory :] if self.memory else history
        key = (len(history), *seen)  # else paths of the same steps would be equal
        if key not in self.rows:
            self.rows[key] = self.new_row(key)
        return self.rows[key]

    def new_row(self, key):
        rng = np.random.default_rng([self.seed, *key])
        scores = self.sharp * rng.normal(size=self.V)
        never = rng.random(self.V) < self.forbidden
        return log_softmax(np.where(never & ~never.all(), -np.inf, scores))

    def step(self, state, token):
        """Take the tokens so far, (N, t) and (N,), as they come in any library."""
        xp = array_namespace(token)
        self.calls += 1
        history = xp.concat([state, token[:, None]], axis=1)
        rows = [self.row(tuple(map(int, h))) for h in to_numpy(history)]
        return xp.asarray(np.array(rows)), history

    def log_prob(self, first, tokens):
        steps = enumerate(tokens)
        return sum(self.row((first, *tokens[:t]))[y] for t, y in steps)

    def every(self, first, eos, max_len):
        """Return all sequences that may be decoded, by brute force."""
        found = []
        for T in range(1, max_len + 1):
            for y in itertools.product(range(self.V), repeat=T):
                whole = y[-1] == eos or max_len == T
                if whole and eos not in y[:-1]:
                    found.append((y, self.log_prob(first, y)))
        return [(y, p) for y, p in found if p > -np.inf]


def start(A, inputs=1):
    """Nothing said so far; the first token tells the inputs apart."""
    return A(np.zeros((inputs, 0), int)), A(np.arange(inputs))


def cut(tokens, eos, max_len):
    """Return a row of tokens without what fills it up."""
    row = [int(y) for y in tokens]
    return tuple(row[: row.index(eos) + 1] if eos in row else row[:max_len])


def by_lists(model, first, eos, width, max_len, penalty, stop):
    """Search with a beam as the docstring tells it, in lists and loops."""
    running, ended = [((), 0.0)], []
    for t in range(1, max_len + 1):
        longer = [
            ((*y, v), p + q)
            for y, p in running
            for v, q in enumerate(model.row((first, *y)))
            if q > -np.inf
        ]
        longer.sort(key=lambda pair: -pair[1])
        over = [(y, p / t**penalty) for y, p in longer[:width] if y[-1] == eos]
        if t == max_len:
            over = [(y, p / t**penalty) for y, p in longer[:width]]
        ended = sorted(ended + over, key=lambda pair: -pair[1])[:width]
        running = [(y, p) for y, p in longer if y[-1] != eos][:width]
        if len(ended) == width and (width == 1 or stop is True or not running):
            break
        if len(ended) == width:
            T = max_len if stop == "never" and penalty > 0 else t
            if running[0][1] / T**penalty <= ended[-1][1]:
                break
    return ended


@pytest.mark.referee("seqlib.decode.beam_search", by="a search in lists")
@given(
    seed=SEEDS,
    V=st.integers(2, 5),
    max_len=st.integers(1, 6),
    width=st.integers(1, 5),
    penalty=PENALTIES,
    stop=STOPS,
    memory=st.sampled_from([None, 1]),
    inputs=st.integers(1, 3),
    library=st.sampled_from(sorted(LIBRARIES)),
    forbidden=st.sampled_from([0.0, 0.3]),
    ends=st.booleans(),
)
def test_beam_search_in_lists(
    seed, V, max_len, width, penalty, stop, memory, inputs, library, forbidden, ends
):
    model, eos = Model(seed, V, memory, forbidden), V - 1 if ends else None
    begin = start(LIBRARIES[library], inputs)
    before = [to_numpy(a).copy() for a in begin]
    tokens, scores = beam_search(model.step, begin, eos, width, max_len, penalty, stop)
    assert type(tokens) is type(scores) is type(begin[1])
    assert tuple(tokens.shape[:2]) == tuple(scores.shape) == (inputs, width)
    for array, copy in zip(begin, before, strict=True):
        np.testing.assert_array_equal(to_numpy(array), copy)
    longest = 0
    for first in range(inputs):
        wanted = by_lists(model, first, eos, width, max_len, penalty, stop)
        found = to_numpy(tokens[first, ...])[: len(wanted)]
        assert [cut(y, eos, max_len) for y in found] == [y for y, _ in wanted]
        got = to_numpy(scores[first, ...])
        np.testing.assert_allclose(got[: len(wanted)], [s for _, s in wanted], 1e-13)
        assert (got[len(wanted) :] == -np.inf).all()  # there are no more
        longest = max(longest, *(len(y) for y, _ in wanted))
    assert tokens.shape[2] == longest


@pytest.mark.referee(
    "seqlib.decode.beam_search", "seqlib.decode.exhaustive_search", by="enumeration"
)
@given(
    seed=SEEDS,
    V=st.integers(2, 4),
    max_len=st.integers(1, 4),
    penalty=PENALTIES,
    stop=st.sampled_from(["never", True]),
    memory=st.sampled_from([None, 1, 2]),
    library=st.sampled_from(sorted(LIBRARIES)),
    forbidden=st.sampled_from([0.0, 0.3]),
    ends=st.booleans(),
)
def test_a_wide_beam_finds_what_enumeration_finds(
    seed, V, max_len, penalty, stop, memory, library, forbidden, ends
):
    model, eos = Model(seed, V, memory, forbidden), 0 if ends else None
    A, width = LIBRARIES[library], V * (V - ends) ** (max_len - 1)
    width += max_len if stop is True else 0  # so that early ends do not stop it
    options = (eos, width, max_len, penalty)
    beam, scores = beam_search(model.step, start(A, 2), *options, stop)
    full, referee = exhaustive_search(model.step, start(A, 2), *options)
    for first in range(2):
        every = [
            (y, p / len(y) ** penalty) for y, p in model.every(first, eos, max_len)
        ]
        every = sorted(every, key=lambda pair: -pair[1])[:width]
        best = [s for _, s in every] + [-np.inf] * (width - len(every))
        for tokens, s in ((beam, scores), (full, referee)):
            np.testing.assert_allclose(to_numpy(s[first, ...]), best, 1e-13)
            rows = to_numpy(tokens[first, ...])[: len(every)]
            assert [cut(y, eos, max_len) for y in rows] == [y for y, _ in every]


@pytest.mark.referee("seqlib.decode.greedy", by="a search in lists")
@given(
    seed=SEEDS,
    V=st.integers(1, 6),
    max_len=st.integers(1, 8),
    penalty=PENALTIES,
    stop=STOPS,
    library=st.sampled_from(sorted(LIBRARIES)),
    ends=st.booleans(),
)
def test_width_1_is_greedy(seed, V, max_len, penalty, stop, library, ends):
    model, eos = Model(seed, V), V - 1 if ends else None
    begin = start(LIBRARIES[library], 3)
    tokens, log_prob = greedy(model.step, begin, eos, max_len)
    beam, scores = beam_search(model.step, begin, eos, 1, max_len, penalty, stop)
    np.testing.assert_array_equal(to_numpy(tokens), to_numpy(beam)[:, 0])
    one, same = sample(
        model.step, begin, eos, max_len, np.random.default_rng(0), top_k=1
    )
    np.testing.assert_array_equal(to_numpy(tokens), to_numpy(one))
    np.testing.assert_array_equal(to_numpy(log_prob), to_numpy(same))
    for first in range(3):
        y = ()
        while len(y) < max_len and eos not in y:
            y = (*y, int(np.argmax(model.row((first, *y)))))
        row = to_numpy(tokens)[first]
        assert cut(row, eos, max_len) == y
        assert (row[len(y) :] == eos).all()  # filled up
        wanted = model.log_prob(first, y)
        got = float(log_prob[first])
        assert got == pytest.approx(wanted, rel=1e-13, abs=1e-15)
        got = float(scores[first, 0])
        assert got == pytest.approx(wanted / len(y) ** penalty, rel=1e-13, abs=1e-15)


def table(rows):
    """Return a Markov model: the last token chooses the row of probabilities."""

    def step(state, token):
        with np.errstate(divide="ignore"):
            return np.log(np.array(rows))[token], state

    return step


HERE = (None, np.array([0]))


@pytest.mark.referee(
    "seqlib.decode.greedy",
    "seqlib.decode.beam_search",
    "seqlib.decode.exhaustive_search",
    by="by hand",
)
def test_greedy_fails_where_a_beam_does_not():
    """The likelier first word, 1, has no good second one; token 3 ends."""
    step = table([[0, 0.6, 0.4, 0], [0.3, 0.3, 0, 0.4], [0.1, 0, 0, 0.9], [1, 0, 0, 0]])
    assert greedy(step, HERE, 3, 5)[0].tolist() == [[1, 3]]
    tokens, scores = beam_search(step, HERE, 3, 2, 5)
    assert tokens.tolist() == [[[2, 3], [1, 3]]]
    np.testing.assert_allclose(np.exp(scores), [[0.36, 0.24]])
    best, score = exhaustive_search(step, HERE, 3, 1, 5)
    assert best.tolist() == [[[2, 3]]]
    assert score.item() == scores[0, 0]


def test_the_length_penalty_favours_long_sequences():
    step = table([[0.0, 0.6, 0.4], [0.2, 0.75, 0.05], [1, 0, 0]])  # 2 ends
    for penalty, wanted in ((0.0, [2]), (1.0, [1, 1, 1]), (-1.0, [2])):
        for search in (beam_search, exhaustive_search):
            tokens, scores = search(step, HERE, 2, 9, 3, penalty)
            y = list(cut(tokens[0, 0], 2, 3))
            assert y == wanted
            log_p = math.log(0.4 if y == [2] else 0.6 * 0.75**2)
            assert scores[0, 0] == pytest.approx(log_p / len(y) ** penalty)


def test_early_stopping_may_miss_the_best():
    step = table([[0, 0.7, 0.2, 0.1], [0, 0.9, 0.0, 0.1], [0, 0, 0, 1], [1, 0, 0, 0]])

    def search(stop, penalty=1.0):
        tokens, scores = beam_search(step, HERE, 3, 2, 6, penalty, stop)
        return cut(tokens[0, 0], 3, 6), scores[0, 0]

    exact, best = search("never")
    assert exact == (1,) * 6
    assert best == pytest.approx(math.log(0.7 * 0.9**5) / 6)
    wanted = exhaustive_search(step, HERE, 3, 1, 6, 1.0)
    assert best == wanted[1].item()
    early, worse = search(True)
    assert early == (2, 3)
    assert worse < best


def test_where_short_is_favoured_the_search_does_not_stop_too_soon():
    """Two have ended before the best, 0 1 2, which is longer; token 2 ends."""
    step = table([[0, 0.7, 0.3, 0], [0.01, 0, 0.99, 0], [0] * 4, [0.94, 0.01, 0.05, 0]])
    begin = (None, np.array([3]))
    tokens, scores = beam_search(step, begin, 2, 2, 8, -1.0)
    assert cut(tokens[0, 0], 2, 8) == (0, 1, 2)
    assert scores[0, 0] == pytest.approx(3 * math.log(0.94 * 0.7 * 0.99))
    wanted = exhaustive_search(step, begin, 2, 2, 8, -1.0)
    np.testing.assert_allclose(scores, wanted[1], rtol=1e-14)


@pytest.mark.parametrize("library", LIBRARIES)
def test_ties_go_to_the_smaller_token(library):
    A = LIBRARIES[library]

    def step(state, token):
        even = np.full((token.shape[0], 40), -np.log(40))
        return A(even), state

    begin = (None, A(np.array([0, 0])))
    for _ in range(2):
        tokens, _ = beam_search(step, begin, None, 3, 2)
        wanted = [[0, 0], [0, 1], [0, 2]]
        assert to_numpy(tokens).tolist() == [wanted, wanted]
        tokens, _ = exhaustive_search(step, begin, None, 3, 2)
        assert to_numpy(tokens).tolist() == [wanted, wanted]
    assert to_numpy(greedy(step, begin, None, 2)[0]).tolist() == [[0, 0]] * 2
    p = sampling_distribution(A(np.zeros((1, 40))), top_k=2)
    assert to_numpy(p)[0, :3].tolist() == [0.5, 0.5, 0]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_float_type_is_kept(library, dtype):
    A, model = LIBRARIES[library], Model(0, 4)

    def step(state, token):
        log_probs, state = model.step(state, token)
        return A(to_numpy(log_probs).astype(dtype)), state

    begin = (start(A)[0], A(np.zeros(1, "int32")))
    rng = np.random.default_rng(0)
    for tokens, scores in (
        greedy(step, begin, 3, 4),
        sample(step, begin, 3, 4, rng, 2.0, 3, 0.9),
        beam_search(step, begin, 3, 2, 4, 1.0),
        exhaustive_search(step, begin, 3, 2, 4, 1.0),
    ):
        xp = array_namespace(tokens)
        assert tokens.dtype == xp.int64
        assert scores.dtype == getattr(xp, dtype)
    p = sampling_distribution(A(np.zeros((2, 3), dtype)), 2.0, 2, 0.9)
    assert p.dtype == getattr(xp, dtype)


# --- states --------------------------------------------------------------------------


class Cell(NamedTuple):
    """A state of two parts."""

    h: object
    c: object


@pytest.mark.referee("seqlib.decode.take_rows", by="numpy indexing")
def test_take_rows_reaches_every_array():
    x = np.arange(12).reshape(3, 4)
    state = {"h": (x, [x.T.T, None]), "t": 5, "word": "a", "scale": np.array(2.0)}
    taken = take_rows(state, np.array([2, 0, 0, 1]))
    wanted = x[[2, 0, 0, 1]]
    np.testing.assert_array_equal(taken["h"][0], wanted)
    np.testing.assert_array_equal(taken["h"][1][0], wanted)
    assert taken["h"][1][1] is None
    assert (taken["t"], taken["word"], taken["scale"]) == (5, "a", 2.0)
    other = take_rows((x,), np.array([3, 3]), axis=1)
    np.testing.assert_array_equal(other[0], x[:, [3, 3]])


def test_take_rows_keeps_a_named_tuple():
    taken = take_rows(Cell(np.arange(3), [np.arange(3)]), np.array([2, 0]))
    assert isinstance(taken, Cell)
    assert (taken.h.tolist(), taken.c[0].tolist()) == ([2, 0], [2, 0])


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_recurrent_network_has_its_hypotheses_on_axis_1(library):
    """Its beam is that of the same network run afresh over each whole prefix."""
    A, V, rng = LIBRARIES[library], 5, np.random.default_rng(3)
    params = {k: A(a) for k, a in init_params("rnn", V, 6, 2, rng=rng).items()}
    W, eye = A(2 * rng.normal(size=(6, V))), A(np.eye(V))
    xp = array_namespace(W)
    from seqlib.functional import log_softmax

    def with_state(state, token):
        x = xp.take(eye, token, axis=0)[:, None, :]
        y, state, _ = recurrent("rnn", x, state, params)
        return log_softmax(y[:, 0, :] @ W)[0], state

    def from_the_start(prefix, token):
        prefix = xp.concat([prefix, token[:, None]], axis=1)
        x = xp.take(eye, xp.reshape(prefix, (-1,)), axis=0)
        y, _, _ = recurrent("rnn", xp.reshape(x, (*prefix.shape, V)), None, params)
        return log_softmax(y[:, -1, :] @ W)[0], prefix

    for width, penalty in ((3, 0.0), (4, 1.0)):
        options = (V - 1, width, 7, penalty)
        zeros = (A(np.zeros((2, 2, 6))),)
        ours = beam_search(with_state, (zeros, A(np.array([0, 1]))), *options, axis=1)
        slow = beam_search(from_the_start, start(A, 2), *options)
        np.testing.assert_array_equal(to_numpy(ours[0]), to_numpy(slow[0]))
        np.testing.assert_allclose(to_numpy(ours[1]), to_numpy(slow[1]), rtol=1e-12)


def test_gradients_pass_through_the_probability_of_a_draw():
    logits = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)

    def step(state, token):
        return torch.log_softmax(logits, -1).expand(token.shape[0], 3), state

    begin = (None, torch.tensor([0]))
    tokens, log_p = sample(step, begin, None, 4, np.random.default_rng(0), top_p=0.9)
    log_p.sum().backward()
    wanted = np.bincount(tokens[0], minlength=3) - 4 / 3
    np.testing.assert_allclose(logits.grad[0], wanted, rtol=1e-12)


# --- Hugging Face --------------------------------------------------------------------


@pytest.fixture(scope="module")
def gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=7,
        n_positions=24,
        n_embd=8,
        n_layer=2,
        n_head=2,
        initializer_range=0.6,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=2,
    )
    return GPT2LMHeadModel(config).double().eval()


PROMPT = torch.tensor([[0, 3, 4], [0, 5, 1], [0, 6, 6], [0, 1, 4]])


def afresh(model):
    """Return a step that runs the whole prefix again."""

    def step(prefix, token):
        prefix = torch.cat([prefix, token[:, None]], 1)
        with torch.no_grad():
            return model(prefix).logits[:, -1].log_softmax(-1), prefix

    return step, (PROMPT[:, :-1], PROMPT[:, -1])


def cached(model):
    """Return a step whose state is Hugging Face's cache of keys and values."""
    from transformers import DynamicCache

    def step(cache, token):
        with torch.no_grad():
            out = model(token[:, None], past_key_values=cache, use_cache=True)
        return out.logits[:, -1].log_softmax(-1), out.past_key_values

    cache = DynamicCache()
    with torch.no_grad():
        model(PROMPT[:, :-1], past_key_values=cache, use_cache=True)
    return step, (cache, PROMPT[:, -1])


def reorder_cache(cache, rows):
    cache.reorder_cache(rows)
    return cache


@pytest.mark.referee("seqlib.decode.beam_search", by="Hugging Face generate")
@pytest.mark.parametrize("stop", ["never", True, False])
@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0, -1.0])
@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_hugging_face_searches_alike(gpt2, width, penalty, stop):
    """Theirs adds up in float32, whatever the model's type; ours keeps float64."""
    theirs = gpt2.generate(
        PROMPT,
        attention_mask=torch.ones_like(PROMPT),
        num_beams=width,
        num_return_sequences=width,
        max_new_tokens=9,
        length_penalty=penalty,
        early_stopping=stop,
        do_sample=False,
        return_dict_in_generate=True,
        output_scores=True,
    )
    step, begin = afresh(gpt2)
    tokens, scores = beam_search(step, begin, 2, width, 9, penalty, stop)
    wanted = theirs.sequences[:, PROMPT.shape[1] :].reshape(4, width, -1)
    assert tokens.tolist() == wanted.tolist()
    if width > 1:  # theirs has no scores for one
        score = theirs.sequences_scores.reshape(4, width)
        np.testing.assert_allclose(scores, score, rtol=2e-6)
    again = beam_search(
        *cached(gpt2), 2, width, 9, penalty, stop, reorder=reorder_cache
    )
    assert again[0].tolist() == tokens.tolist()
    np.testing.assert_allclose(again[1], scores, rtol=1e-12)
    for b, i in itertools.product(range(4), range(width)):
        y = cut(tokens[b, i], 2, 9)
        with torch.no_grad():
            logits = gpt2(torch.cat([PROMPT[b], torch.tensor(y)])[None]).logits
        log_p = logits[0, 2:-1].log_softmax(-1)[range(len(y)), list(y)].sum().item()
        assert float(scores[b, i]) == pytest.approx(
            log_p / len(y) ** penalty, rel=1e-12
        )


def test_the_small_gpt_puts_the_search_to_the_test(gpt2):
    """Sequences end at several lengths, and the options lead to several results."""
    step, begin = afresh(gpt2)
    found = [
        beam_search(step, begin, 2, 3, 9, penalty, stop)[0]
        for penalty in (0.0, 2.0)
        for stop in ("never", True)
    ]
    lengths = {len(cut(y, 2, 9)) for y in found[0].reshape(-1, found[0].shape[-1])}
    assert len(lengths) > 2
    assert len({str(tokens.tolist()) for tokens in found}) > 2


# --- drawing -------------------------------------------------------------------------


@pytest.mark.referee(
    "seqlib.decode.sampling_distribution", by="Hugging Face logits processors"
)
@given(
    seed=SEEDS,
    V=st.integers(1, 12),
    temperature=st.sampled_from([0.1, 0.7, 1.0, 1.5, 10.0]),
    top_k=st.none() | st.integers(1, 14),
    top_p=st.none() | st.sampled_from([0.05, 0.3, 0.8, 0.95, 1.0]),
    lead=st.sampled_from([(), (3,), (2, 3)]),
)
def test_the_distribution_is_that_of_hugging_face(
    seed, V, temperature, top_k, top_p, lead
):
    from transformers.generation.logits_process import (
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    x = log_softmax(2 * np.random.default_rng(seed).normal(size=(*lead, V)))
    rows = torch.tensor(x).reshape(-1, V)
    rows = TemperatureLogitsWarper(temperature)(None, rows)
    rows = TopKLogitsWarper(top_k)(None, rows) if top_k else rows
    rows = TopPLogitsWarper(top_p)(None, rows) if top_p else rows
    wanted = rows.softmax(-1).reshape(x.shape)
    for A in LIBRARIES.values():
        p = sampling_distribution(A(x), temperature, top_k, top_p)
        np.testing.assert_allclose(to_numpy(p), wanted, rtol=1e-12, atol=1e-300)


@pytest.mark.referee("seqlib.decode.sampling_distribution", by="by hand")
def test_a_distribution_by_hand():
    x = np.log([0.1, 0.4, 0.2, 0.3])
    half = sampling_distribution(x, temperature=0.5)
    np.testing.assert_allclose(half, np.array([1, 16, 4, 9]) / 30)
    np.testing.assert_allclose(sampling_distribution(x, top_k=2), [0, 4 / 7, 0, 3 / 7])
    for top_p, kept in ((0.3, 1), (0.5, 2), (0.65, 2), (0.75, 3), (0.95, 4)):
        p = sampling_distribution(x, top_p=top_p)
        assert np.count_nonzero(p) == kept
        assert p.sum() == pytest.approx(1)
    exactly = sampling_distribution(np.log([0.5, 0.25, 0.25]), top_p=0.5)
    assert exactly.tolist() == [1, 0, 0]
    both = sampling_distribution(x, top_k=2, top_p=0.55)  # 4/7 of what top_k leaves
    assert both.tolist() == [0, 1, 0, 0]
    impossible = sampling_distribution(np.array([0.0, -np.inf, 0.0]), 0.5, 3, 1.0)
    assert impossible.tolist() == [0.5, 0, 0.5]
    far = sampling_distribution(np.array([1e4, -1e4], "f4"), 1e-6)
    assert far.tolist() == [1, 0]


@pytest.mark.parametrize("options", [{}, {"top_k": 2}, {"top_p": 0.6}])
@pytest.mark.parametrize("temperature", [1.0, 1e-3])
def test_rows_of_a_batch_know_nothing_of_one_another(options, temperature):
    """A sure row beside an unsure one: what is far below the first is all there is."""
    rows = np.log([[0.98, 0.01, 0.01], [0.3, 0.4, 0.3]])
    p = sampling_distribution(rows, temperature, **options)
    for row, found in zip(rows, p, strict=True):
        alone = sampling_distribution(row, temperature, **options)
        np.testing.assert_allclose(found, alone, rtol=1e-12, atol=1e-300)
        assert found.sum() == pytest.approx(1)


@pytest.mark.referee("seqlib.decode.sample", by="chi-square, over all sequences")
@pytest.mark.parametrize("library", LIBRARIES)
def test_draws_follow_the_distribution(library):
    """Chi-square over whole sequences of a model that ends at 1, 2 or 3 tokens."""
    from scipy.stats import chisquare

    A, N, eos = LIBRARIES[library], 20_000, 3
    options = {"temperature": 1.3, "top_k": 3, "top_p": 0.9}
    model = Model(1, 4, sharp=1.0)
    rows = {}

    def step(state, token):  # all inputs begin with token 0
        history = np.concatenate([state, to_numpy(token)[:, None]], axis=1)
        kinds, which = np.unique(history, axis=0, return_inverse=True)
        log_probs = np.array([model.row(tuple(map(int, h))) for h in kinds])
        return A(log_probs[which.reshape(-1)]), history

    begin = (np.zeros((N, 0), int), A(np.zeros(N, int)))
    tokens, log_p = sample(step, begin, eos, 3, np.random.default_rng(7), **options)
    for y, _ in model.every(0, eos, 3):
        rows[y] = math.prod(
            sampling_distribution(model.row((0, *y[:t])), **options)[v]
            for t, v in enumerate(y)
        )
    assert sum(rows.values()) == pytest.approx(1)
    drawn = [cut(y, eos, 3) for y in to_numpy(tokens)]
    counts = {y: drawn.count(y) for y in set(drawn)}
    assert {len(y) for y in counts} == {1, 2, 3}
    assert all(rows[y] > 0 for y in counts)
    likely = [y for y in rows if rows[y] > 0]
    seen = [counts.get(y, 0) for y in likely]
    assert chisquare(seen, [N * rows[y] for y in likely]).pvalue > 0.01
    wanted = [model.log_prob(0, y) for y in drawn[:50]]  # the model's, not altered
    np.testing.assert_allclose(to_numpy(log_p)[:50], wanted, rtol=1e-12)


def test_one_seed_draws_alike_in_all_libraries():
    model = Model(2, 6)
    drawn = [
        sample(model.step, start(A, 8), 5, 9, np.random.default_rng(3), 1.5)
        for A in LIBRARIES.values()
    ]
    other = sample(model.step, start(np.array, 8), 5, 9, np.random.default_rng(4), 1.5)
    for tokens, _ in drawn[1:]:
        assert to_numpy(tokens).tolist() == drawn[0][0].tolist()
    assert other[0].tolist() != drawn[0][0].tolist()


def test_by_default_the_model_is_drawn_from_as_it_is():
    model = Model(2, 6)
    drawn = [
        sample(model.step, start(np.array, 8), 5, 9, np.random.default_rng(3), **more)
        for more in ({}, {"temperature": 1.0})
    ]
    assert drawn[0][0].tolist() == drawn[1][0].tolist()


def test_what_is_impossible_is_never_drawn():
    class Edges(np.random.Generator):
        def random(self, size):
            return np.resize([0.0, 1 - 2**-53], size)

    p = [0, 0.3, 0, 0.7 - 1e-17, 0]
    begin = (None, np.zeros(4, int))
    rng = Edges(np.random.PCG64(0))
    tokens, _ = sample(table([p] * 5), begin, None, 50, rng)
    assert set(np.unique(tokens)) == {1, 3}
    tenths = [[0, *[0.1] * 10, 0]] * 12  # which add up to less than 1 in floats
    tokens, _ = sample(table(tenths), begin, None, 50, rng)
    assert set(np.unique(tokens)) == {1, 10}


# --- the end -------------------------------------------------------------------------


@pytest.mark.parametrize("search", [beam_search, exhaustive_search])
def test_a_state_of_any_kind_with_its_own_reorder(search):
    class Box:
        def __init__(self, state):
            self.state = state

    def step(box, token):
        log_probs, state = model.step(box.state, token)
        return log_probs, Box(state)

    def reorder(box, rows):
        return Box(take_rows(box.state, rows))

    model = Model(2, 4)
    state, token = start(np.array, 2)
    found = search(step, (Box(state), token), 3, 4, 3, reorder=reorder)
    wanted = search(model.step, (state, token), 3, 4, 3)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("V", "eos", "max_len", "fits"),
    [(1000, 0, 2, True), (10**6, None, 1, True), (10**6 + 1, None, 1, False)],
)
def test_a_million_sequences_and_no_more(V, eos, max_len, fits):
    def step(state, token):
        return np.full((len(token), V), -np.log(V)), state

    begin = (None, np.zeros(1, int))
    if fits:
        _, scores = exhaustive_search(step, begin, eos, 1, max_len)
        assert np.isfinite(scores).all()
    else:
        with pytest.raises(
            ValueError, match=r"at most a million sequences, got 1000001$"
        ):
            exhaustive_search(step, begin, eos, 1, max_len)


def test_what_could_only_tie_is_not_followed():
    asked = []

    def step(state, token):
        asked.append(len(token))
        return np.log(np.full((len(token), 2), 0.5)), state

    beam_search(step, (None, np.zeros(1, int)), 1, 2, 10)
    assert len(asked) == 2  # "1" and "0 1" have ended, and "0 0" is as likely as that


@pytest.mark.parametrize("search", [beam_search, exhaustive_search])
def test_fewer_sequences_than_asked_for(search):
    tokens, scores = search(table([[0, 1.0], [0, 1.0]]), HERE, 1, 3, 4)
    assert tokens.tolist() == [[[1], [1], [1]]]
    assert scores.tolist() == [[0, -np.inf, -np.inf]]
    tokens, scores = search(table([[0.5, 0.5], [1, 0]]), HERE, None, 3, 1)
    assert tokens.tolist() == [[[0], [1], [0]]]
    assert np.exp(scores).round(9).tolist() == [[0.5, 0.5, 0]]


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_end_may_be_token_0(library):
    """Input 1 ends at once; what fills its row up is the end, not another token."""
    A = LIBRARIES[library]
    rows = np.log([[0.1, 0.2, 0.7], [0.8, 0.1, 0.1], [0.1, 0.5, 0.4]])

    def step(state, token):
        return A(rows[to_numpy(token)]), state

    tokens, scores = greedy(step, (None, A(np.array([0, 1]))), 0, 4)
    assert to_numpy(tokens).tolist() == [[2, 1, 0], [0, 0, 0]]
    np.testing.assert_allclose(to_numpy(scores), np.log([0.7 * 0.5 * 0.8, 0.8]))


def test_nobody_is_asked_after_the_end():
    model = Model(0, 3)
    first = greedy(model.step, start(np.array), None, 6)[0][0]
    model.calls = 0
    eos = int(first[0])
    greedy(model.step, start(np.array), eos, 6)
    beam_search(model.step, start(np.array), eos, 1, 6)
    assert model.calls == 2


@pytest.mark.parametrize("decode", [greedy, beam_search, exhaustive_search])
def test_rows_that_have_ended_may_hold_anything(decode):
    """One input has ended at once; what step says of it later is not looked at."""

    def step(state, token):
        p = np.array([[0.5, 0, 0.5], [0, 0.4, 0.6], [np.nan] * 3])
        with np.errstate(divide="ignore"):
            return np.log(p[token]), state

    sure = np.array([2, 1])

    def first(state, token):
        if state["t"] == 0:
            log_probs = np.full((2, 3), -np.inf)
            log_probs[[0, 1], sure] = 0
            return log_probs, {"t": 1}
        return step(None, np.where(token == 0, 2, token))[0], {"t": 2}

    extra = () if decode is greedy else (1,)
    tokens, _ = decode(first, ({"t": 0}, np.array([0, 0])), 2, *extra, 3)
    assert tokens.reshape(2, -1).tolist() == [[2, 2], [1, 2]]


# --- sentences -----------------------------------------------------------------------

EVEN = table([[0.5, 0.5]] * 2)
LOGARITHMS = "log_probs must be logarithms of probabilities, as log_softmax gives them"
DECODERS = {
    greedy: {},
    sample: {"rng": np.random.default_rng(0)},
    beam_search: {"width": 2},
    exhaustive_search: {"width": 2},
}


def gives(log_probs):
    return lambda state, token: (log_probs, state)


COMMON = [
    (
        {"step": None},
        "step must be a function (state, token) -> (log_probs, state), got NoneType",
    ),
    ({"start": 0}, "start must be a tuple (state, token), got int"),
    ({"start": (0,)}, "start must be a tuple (state, token), got tuple of 1"),
    (
        {"start": (None, 0)},
        "start's token must be an array (of numpy or torch), got int",
    ),
    ({"start": (None, np.array(0))}, "start's token must have shape (B,), got ()"),
    ({"start": (None, np.ones(2))}, "start's token must hold integers, got float64"),
    (
        {"start": (None, np.zeros(0, int))},
        "start's token must not be empty, got shape (0,)",
    ),
    ({"eos": 1.0}, "eos must be a whole number, got 1.0"),
    ({"eos": -1}, "eos must be at least 0, got -1"),
    ({"eos": 2}, "eos must be at least 0 and at most 1, got 2"),
    ({"max_len": 0}, "max_len must be at least 1, got 0"),
    ({"max_len": None}, "max_len must be a whole number, got None"),
    (
        {"step": lambda s, t: np.zeros((1, 2))},
        "step must return a tuple (log_probs, state), got ndarray",
    ),
    (
        {"step": lambda s, t: (1, 2, 3)},
        "step must return a tuple (log_probs, state), got tuple of 3",
    ),
    (
        {"step": gives([0.0])},
        "log_probs must be an array (of numpy or torch), got list",
    ),
    ({"step": gives(np.zeros(2))}, "log_probs must have shape (N=1, V), got (2,)"),
    (
        {"step": gives(np.zeros((3, 2)))},
        "log_probs must have shape (N=1, V), got (3, 2)",
    ),
    (
        {"step": gives(torch.zeros(1, 2))},
        "log_probs must come from numpy as token does, got torch",
    ),
    ({"step": gives(np.zeros((1, 2), int))}, "log_probs must hold floats, got int64"),
    ({"step": gives(np.array([[np.nan, 0]]))}, "log_probs must not be NaN"),
    ({"step": gives(np.array([[-1, 2.0]]))}, f"{LOGARITHMS}, got 2"),
    ({"step": gives(np.array([[np.inf, 0]]))}, f"{LOGARITHMS}, got inf"),
    (
        {"step": gives(np.zeros((1, 3)))},
        f"{LOGARITHMS}, got a row whose probabilities sum to 3",
    ),
    (
        {"step": gives(np.full((1, 2), -np.inf))},
        "log_probs must leave a token possible: all are -inf at t=1",
    ),
    (
        {"step": table([[0, 1.0], [0, 0]]), "eos": None},
        "log_probs must leave a token possible: all are -inf at t=2",
    ),
]
SEARCHES = [
    ({"width": 0}, "width must be at least 1, got 0"),
    ({"width": 2.0}, "width must be a whole number, got 2.0"),
    ({"length_penalty": "long"}, "length_penalty must be a number, got 'long'"),
    (
        {"length_penalty": np.nan},
        "length_penalty must be at least -10 and at most 10, got nan",
    ),
    ({"axis": -1}, "axis must be at least 0, got -1"),
    ({"axis": None}, "axis must be a whole number, got None"),
    (
        {"reorder": 1},
        "reorder must be None or a function (state, rows) -> state, got int",
    ),
    (
        {"start": ({1, 2}, np.array([0]))},
        "state must be made of arrays, tuples, lists and dicts, or come with a "
        "function `reorder`, got set",
    ),
    (
        {"start": (np.zeros((2, 1, 3)), np.array([0]))},
        "state must hold arrays with 1 hypotheses on axis 0, got shape (2, 1, 3)",
    ),
    *(
        (
            {"start": (state, np.array([0]))},
            "state must hold arrays with 1 hypotheses on axis 0, got shape (2, 3)",
        )
        for state in ({"h": np.zeros((2, 3))}, [np.zeros((2, 3))])
    ),
    (
        {"start": (np.zeros(1), np.array([0])), "axis": 1},
        "state must hold arrays with 1 hypotheses on axis 1, got shape (1,)",
    ),
    (
        {"start": (torch.zeros(1), np.array([0]))},
        "state must come from the library of the tokens",
    ),
]
OPTIONS = [
    (
        {"temperature": 0},
        "temperature must be at least 1e-06 and at most 1000000.0, got 0",
    ),
    ({"temperature": None}, "temperature must be a number, got None"),
    ({"top_k": 0}, "top_k must be at least 1, got 0"),
    ({"top_k": 0.5}, "top_k must be a whole number, got 0.5"),
    ({"top_p": 0}, "top_p must be at least 1e-06 and at most 1, got 0"),
    ({"top_p": 1.5}, "top_p must be at least 1e-06 and at most 1, got 1.5"),
    ({"top_p": "most"}, "top_p must be a number, got 'most'"),
]
WRONG = [
    *((f, change, words) for f in DECODERS for change, words in COMMON),
    *((f, *case) for f in (beam_search, exhaustive_search) for case in SEARCHES),
    *((sample, *case) for case in OPTIONS),
    (
        sample,
        {"rng": 0},
        "rng must be a numpy generator, np.random.default_rng(seed), got int",
    ),
    (
        beam_search,
        {"early_stopping": "always"},
        "early_stopping must be True, False or 'never', got 'always'",
    ),
    (
        beam_search,
        {"early_stopping": 1},
        "early_stopping must be True, False or 'never', got 1",
    ),
    (
        exhaustive_search,
        {"max_len": 21},
        "V=2 tokens and max_len=21 must make at most a million sequences, got 2097152",
    ),
]


@pytest.mark.parametrize(("f", "change", "sentence"), WRONG, ids=label)
def test_sentence(f, change, sentence):
    given = {"step": EVEN, "start": HERE, "eos": None, "max_len": 3, **DECODERS[f]}
    with pytest.raises((ValueError, TypeError)) as caught:
        f(**{**given, **change})
    assert str(caught.value) == sentence


def test_the_vocabulary_stays():
    def step(state, token):
        return np.full((token.shape[0], state), -5.0), state + 1

    for f, options in DECODERS.items():
        with pytest.raises(ValueError, match=r"shape \(N=\d, 4\), got \(\d, 5\)"):
            f(step, (4, np.array([0])), eos=None, max_len=3, **options)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"log_probs": [0.0]}, "log_probs must be an array (of numpy or torch), got l"),
        ({"log_probs": np.array(0.0)}, "log_probs must have shape (..., V), got ()"),
        ({"log_probs": np.zeros(0)}, "log_probs must not be empty, got shape (0,)"),
        ({"log_probs": np.zeros(2, int)}, "log_probs must hold floats, got int64"),
        *(
            (
                {"log_probs": np.array([[0.0, 0.0], bad])},
                "log_probs must not be NaN or inf, nor all -inf in a row",
            )
            for bad in ([0, np.nan], [np.inf, 0], [-np.inf, -np.inf])
        ),
        *OPTIONS,
    ],
    ids=label,
)
def test_sentences_on_distributions(change, sentence):
    with pytest.raises((ValueError, TypeError)) as caught:
        sampling_distribution(**{"log_probs": np.zeros(3), **change})
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((np.eye(2), [0]), "rows must be an array (of numpy or torch), got list"),
        ((np.eye(2), np.ones(1)), "rows must hold integers, got float64"),
        ((np.eye(2), np.array([2])), "rows must be 0 to 1, got 2"),
        (
            (np.eye(2), np.array([0]), 2),
            "state must hold arrays with an axis 2, got",
        ),
        ((np.eye(2), np.array([0]), "x"), "axis must be a whole number, got 'x'"),
        (((1, {2}), np.array([0])), "state must be made of arrays, tuples, lists and "),
    ],
    ids=label,
)
def test_sentences_on_rows(arguments, sentence):
    with pytest.raises((ValueError, TypeError)) as caught:
        take_rows(*arguments)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("library", LIBRARIES)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 12)),
    n=st.integers(1, 14),
)
@pytest.mark.referee("seqlib.decode.beam_search", by="numpy argsort")
def test_the_largest_are_those_of_a_stable_sort(library, seed, sizes, n):
    values = np.array([-np.inf, -2.5, -1.0, -0.0, 0.0])  # so few that many are equal
    x = np.random.default_rng(seed).choice(values, sizes)
    wanted = np.argsort(-x, axis=-1, stable=True)[:, :n]
    found = largest(LIBRARIES[library](x), n)
    np.testing.assert_array_equal(to_numpy(found), wanted)


def test_numpy_alone_will_do():
    code = (
        "import sys; sys.modules['torch'] = None; import numpy as np\n"
        "from seqlib.decode import *\n"
        "step = lambda s, y: (np.log(np.full((len(y), 3), 1 / 3)), s)\n"
        "start = np.zeros((1, 2)), np.array([0])\n"
        "beam_search(step, start, 2, 3, 4); exhaustive_search(step, start, 2, 3, 4)\n"
        "greedy(step, start, 2, 4); sample(step, start, 2, 4, np.random.default_rng())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("bits", [torch.bfloat16, torch.float16, torch.float32])
def test_logarithms_of_few_bits_may_be_rough(bits):
    V = 50257  # log(1 / V) in bfloat16 is 0.01 too large, and so is every one of them

    def step(state, token):
        return torch.zeros(len(token), V, dtype=bits).log_softmax(-1), state

    start = (None, torch.tensor([0]))
    assert greedy(step, start, None, 2)[0].tolist() == [[0, 0]]
    with pytest.raises(ValueError, match="logarithms of probabilities"):
        greedy(lambda s, t: (step(s, t)[0] + 0.1, s), start, None, 2)
