"""The memory network against one written with loops, autograd, and a two-fact task."""

import numpy as np
import pytest
import torch
from comparing import LIBRARIES, by_autograd, by_differences, close
from hypothesis import given
from hypothesis import strategies as st

from seqlib import optim
from seqlib.functional import cross_entropy, cross_entropy_backward
from seqlib.memory import init_params, memory_network, memory_network_backward

SIZES = st.integers(1, 4)
TYINGS = ("adjacent", "layer")


def sentence(words, table, encoding):
    """One sentence's vector, word by word, from a list of numbers."""
    J, E = len(words), table.shape[1]
    total = torch.zeros(E, dtype=table.dtype)
    for j, word in enumerate(words, 1):
        k = torch.arange(1, E + 1, dtype=table.dtype)
        l = (1 - j / J) - (k / E) * (1 - 2 * j / J)
        total = total + (l if encoding == "position" else 1) * table[word]
    return total


def by_loop(stories, questions, params, hops, tying, encoding):
    """Stories as lists of lists of words, one after the other."""
    answers, weights = [], []
    for story, question in zip(stories, questions, strict=True):
        if tying == "adjacent":
            A, C = ([f"{{}}_{k + i}" for k in range(hops)] for i in (0, 1))
            A, C = ([(n.format("E"), n.format("T")) for n in names] for names in (A, C))
            B, W = "E_0", f"E_{hops}"
        else:
            A, C, B, W = [("A", "T_A")] * hops, [("C", "T_C")] * hops, "B", "W"
        u = sentence(question, params[B], encoding)
        told = [i for i, words in enumerate(story) if words]
        rows = []
        for a, c in zip(A, C, strict=True):
            m, r = [], []
            for age, i in enumerate(reversed(told)):
                for (name, time), found in ((a, m), (c, r)):
                    vector = sentence(story[i], params[name], encoding)
                    found.append(vector + (params[time][age] if time in params else 0))
            row = [0 * u.sum()] * len(story)
            o = 0 * u
            if told:
                p = torch.softmax(torch.stack([x @ u for x in m]), 0)
                o = sum(w * x for w, x in zip(p, r, strict=True))
                for w, i in zip(p, reversed(told), strict=True):
                    row[i] = w
            rows.append(torch.stack(row))
            u = (params["H"] @ u if tying == "layer" else u) + o
        answers.append(params[W] @ u)
        weights.append(torch.stack(rows))
    return torch.stack(answers), torch.stack(weights)


def problem(rng, sizes, tying, timed, V=6):
    B, S, W, Q, E, hops = sizes
    params = init_params(V, E, S + 1, hops, tying, rng, deviation=0.7)
    if not timed:
        params = {name: p for name, p in params.items() if name[0] != "T"}
    story, question = rng.integers(0, V, (B, S, W)), rng.integers(0, V, (B, Q))
    return story, question, params


def lists(ids, mask):
    if ids.ndim == 1:
        return [int(i) for i, real in zip(ids, mask, strict=True) if real]
    return [lists(i, m) for i, m in zip(ids, mask, strict=True)]


@pytest.mark.referee(
    "seqlib.memory.memory_network",
    "seqlib.memory.memory_network_backward",
    by="torch autograd",
)
@pytest.mark.parametrize("tying", TYINGS)
@given(
    sizes=st.tuples(SIZES, SIZES, SIZES, SIZES, SIZES, st.integers(1, 3)),
    timed=st.booleans(),
    encoding=st.sampled_from(["position", "bag"]),
    density=st.sampled_from([None, 0.0, 0.3, 0.8]),
    seed=st.integers(0, 2**32 - 1),
)
def test_forward_and_backward(tying, sizes, timed, encoding, density, seed):
    rng = np.random.default_rng(seed)
    story, question, params = problem(rng, sizes, tying, timed)
    hops = sizes[-1]
    masks = [
        np.ones(a.shape, bool) if density is None else rng.random(a.shape) < density
        for a in (story, question)
    ]
    tensors = {name: torch.tensor(p, requires_grad=True) for name, p in params.items()}
    words = lists(story, masks[0]), lists(question, masks[1])
    wanted = by_loop(*words, tensors, hops, tying, encoding)
    outputs = [w + 0 * sum(t.sum() for t in tensors.values()) for w in wanted]
    douts = [rng.normal(size=tuple(w.shape)) for w in wanted]
    leaves = list(tensors.values())
    grads = by_autograd(outputs, [torch.tensor(d) for d in douts], leaves)
    options = {"tying": tying, "encoding": encoding, "return_weights": True}
    for A in LIBRARIES.values():
        of_masks = [None if density is None else A(m) for m in masks]
        arrays = {name: A(p) for name, p in params.items()}
        logits, p, cache = memory_network(
            A(story),
            A(question),
            arrays,
            hops,
            story_mask=of_masks[0],
            question_mask=of_masks[1],
            **options,
        )
        close(logits, wanted[0], scale=1 + wanted[0].abs().max().item())
        close(p, wanted[1], scale=1)
        back = memory_network_backward(A(douts[0]), cache, A(douts[1]))
        assert list(back) == list(params)
        for name, w in zip(params, grads, strict=True):
            close(back[name], w, 1e-11, scale=1 + w.abs().max().item())


@pytest.mark.referee("seqlib.memory.memory_network_backward", by="finite differences")
@pytest.mark.parametrize("tying", TYINGS)
def test_finite_differences(tying):
    rng = np.random.default_rng(1)
    story, question, params = problem(rng, (2, 3, 3, 2, 3, 2), tying, True)
    mask, dout = rng.random(story.shape) < 0.7, rng.normal(size=(2, 6))

    def loss(*values):
        of = dict(zip(params, values, strict=True))
        return np.sum(memory_network(story, question, of, 2, tying, mask)[0] * dout)

    _, cache = memory_network(story, question, params, 2, tying, mask)
    grads = memory_network_backward(dout, cache)
    for i, name in enumerate(params):
        by_steps = by_differences(loss, list(params.values()), i)
        close(by_steps, grads[name], 1e-6)


def test_what_stands_in_the_padding_never_matters():
    rng = np.random.default_rng(2)
    story, question, params = problem(rng, (3, 4, 3, 2, 4, 2), "adjacent", True)
    mask = rng.random(story.shape) < 0.6
    asked = rng.random(question.shape) < 0.6
    found = []
    for filler in (0, 5, -7, 10**6):
        masks = {"story_mask": mask, "question_mask": asked}
        ids = np.where(mask, story, filler), np.where(asked, question, filler)
        logits, cache = memory_network(*ids, params, 2, **masks)
        grads = memory_network_backward(np.ones_like(logits), cache)
        found.append((logits, *grads.values()))
    for other in found[1:]:
        assert all(np.array_equal(x, y) for x, y in zip(found[0], other, strict=True))


def test_a_padded_story_is_the_story():
    rng = np.random.default_rng(3)
    story, question, params = problem(rng, (2, 4, 3, 2, 4, 3), "adjacent", True)
    logits, _ = memory_network(story[:, :3], question, params, 3)
    for where in (slice(0, 3), slice(1, 4)):  # padding after, padding before
        mask, ids = np.zeros(story.shape, bool), np.zeros_like(story)
        mask[:, where], ids[:, where] = True, story[:, :3]
        padded, _ = memory_network(ids, question, params, 3, story_mask=mask)
        close(padded, logits)


def test_order_of_words_and_of_sentences():
    rng = np.random.default_rng(4)
    story, question, params = problem(rng, (1, 3, 4, 2, 5, 2), "adjacent", True)
    story = np.arange(12).reshape(1, 3, 4) % 6

    def differ(timed, encoding, moved):
        of = {n: p for n, p in params.items() if timed or n[0] != "T"}
        one, other = (
            memory_network(s, question, of, 2, encoding=encoding)[0]
            for s in (story, moved)
        )
        return np.abs(one - other).max() > 1e-6

    words, sentences = story[..., ::-1], story[:, ::-1]
    assert differ(True, "position", words)
    assert not differ(True, "bag", words)
    assert differ(True, "bag", sentences)
    assert not differ(False, "position", sentences)


def two_facts(rng, n, P=3):
    """P things, each with a person, each of whom is somewhere; where is the thing?

    The answer takes two sentences, and no one of them holds a word of the question and
    of the answer.
    """
    people, places, things = (1 + P * i + np.arange(P) for i in range(3))
    at, having = 3 * P + 1, 3 * P + 2
    stories, questions, answers = [], [], []
    for _ in range(n):
        place, holder = rng.permutation(P), rng.permutation(P)
        facts = [[people[i], at, places[place[i]]] for i in range(P)]
        facts += [[things[i], having, people[holder[i]]] for i in range(P)]
        rng.shuffle(facts)
        asked = rng.integers(P)
        stories.append(facts)
        questions.append([things[asked]])
        answers.append(places[place[holder[asked]]])
    return np.array(stories), np.array(questions), np.array(answers)


def accuracy(hops, seed):
    rng = np.random.default_rng(seed)
    params, state = init_params(12, 16, 6, hops, rng=rng, deviation=0.4), None
    params = {name: p for name, p in params.items() if name[0] != "T"}
    for _ in range(250):
        story, question, answer = two_facts(rng, 32)
        logits, cache = memory_network(story, question, params, hops)
        _, of_loss = cross_entropy(logits, answer)
        grads = memory_network_backward(cross_entropy_backward(1.0, of_loss), cache)
        grads, _ = optim.clip_by_norm(grads, 1.0)
        params, state = optim.adam(params, grads, state, lr=0.02)
    story, question, answer = two_facts(rng, 300)
    logits, _ = memory_network(story, question, params, hops)
    return np.mean(np.argmax(logits, axis=-1) == answer)


def test_two_facts_take_two_hops():
    assert accuracy(2, seed=0) > 0.95
    assert accuracy(1, seed=0) < 0.5  # a guess among three places is right in 0.33


def good():
    story, question, params = problem(
        np.random.default_rng(0), (2, 3, 4, 2, 5, 2), "adjacent", True
    )
    return {"story": story, "question": question, "params": params, "hops": 2}


layer = init_params(6, 5, 4, 2, "layer")
WRONG = {
    "floats": (
        {"story": np.ones((2, 3, 4))},
        TypeError,
        "story must hold integers, got float64",
    ),
    "batch": (
        {"question": np.ones((3, 2), int)},
        ValueError,
        r"question must have shape \(B=2, Q\), got \(3, 2\)",
    ),
    "word": (
        {"story": np.full((2, 3, 4), 6)},
        ValueError,
        "story must be 0 to 5, got 6",
    ),
    "hops": ({"hops": 0}, ValueError, "hops must be at least 1, got 0"),
    "more hops": (
        {"hops": 3},
        ValueError,
        "params must hold E_3, T_3, which it lacks",
    ),
    "fewer hops": (
        {"hops": 1},
        ValueError,
        "params must not hold E_2, T_2, unused here",
    ),
    "tying": ({"tying": "all"}, ValueError, "tying must be one of 'adjacent', 'layer'"),
    "encoding": (
        {"encoding": "words"},
        ValueError,
        "encoding must be one of 'position', 'bag', got 'words'",
    ),
    "too long": (
        {"story": np.ones((2, 5, 4), int)},
        ValueError,
        "story must have at most M=4 sentences, got 5",
    ),
    "mask": (
        {"story_mask": np.ones((2, 3), bool)},
        ValueError,
        r"story_mask must have shape \(B=2, S=3, W=4\), got \(2, 3\)",
    ),
    "size": (
        {"params": good()["params"] | {"T_1": np.ones((4, 4))}},
        ValueError,
        r"T_1 must have shape \(M=4, E=5\), got \(4, 4\)",
    ),
    "size of words": (
        {"params": good()["params"] | {"E_0": np.ones((4, 5))}},
        ValueError,
        r"E_0 must have shape \(V=6, E=5\), got \(4, 5\)",
    ),
    "size of the turn": (
        {"tying": "layer", "params": layer | {"H": np.ones((5, 4))}},
        ValueError,
        r"H must have shape \(E=5, E=5\), got \(5, 4\)",
    ),
    "question's word": (
        {"question": np.full((2, 2), -1)},
        ValueError,
        "^question must be 0 to 5, got -1",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_kind_errors(case):
    changed, error, sentence = WRONG[case]
    with pytest.raises(error, match=sentence):
        memory_network(**{**good(), **changed})


def test_the_initial_numbers_have_the_paper_s_deviation():
    rng = np.random.default_rng(0)
    for tying in TYINGS:
        for values in init_params(50, 40, 30, 3, tying, rng).values():
            assert values.std() == pytest.approx(0.1, rel=0.1)


def test_a_story_may_be_as_long_as_there_are_numbers_for_its_age():
    story = np.ones((2, 4, 4), int)
    logits, _ = memory_network(**{**good(), "story": story})
    assert logits.shape == (2, 6)


def test_more_kind_errors():
    _, cache = memory_network(**good())
    with pytest.raises(ValueError, match=r"dlogits must have shape \(2, 6\)"):
        memory_network_backward(np.ones((2, 5)), cache)
    names = ("vocabulary_size", "embedding_size", "sentences", "hops")
    for i, name in enumerate(names):
        sizes = [0 if i == j else 3 for j in range(4)]
        with pytest.raises(ValueError, match=f"^{name} must be at least 1, got 0"):
            init_params(*sizes)
    with pytest.raises(ValueError, match="deviation must be at least 0, got -1"):
        init_params(3, 3, 3, 1, deviation=-1)
