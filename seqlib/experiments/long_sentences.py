"""Translating long sentences (chapter 15): one vector for all of it, or attention.

English sentences of 3 to 22 words are translated into German, whose verbs stand at the
end. GRU encoder-decoders train on the same sentences until they have spent the same
number of floating point operations, counted by formula. Two have additive attention,
over an encoder in both directions or in one; two give the encoder's last states to the
decoder at every step, one of the same width (so it makes more updates) and one wider.
Measured is how many sentences of each length are translated without a mistake, and
how well the largest weights fit the alignment, which the corpus knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from seqlib.data import ATE_AN_APPLE, Pair, Vocabulary, oracle, pad, sentence_pairs
from seqlib.nn import Seq2Seq

SEEDS = range(5)
LENGTHS = (4, 8, 12, 16, 20)
SETTINGS: tuple[dict[str, Any], ...] = (
    {"context": "attention", "width": 64, "both": True},
    {"context": "attention", "width": 64, "both": False},
    {"context": "every", "width": 64, "both": True},
    {"context": "every", "width": 96, "both": True},
)
BUDGET = 1.5e11  # floating point operations of training
BATCH, EMBED = 64, 32


class Corpus:
    """Pairs to learn from and pairs to be tested on, of the same two vocabularies.

    Parameters
    ----------
    language : of the translations
    longest : most words of a sentence to learn from
    count : how many sentences to learn from; those of the test sets are left out
    seed : decides the sentences to learn from; the test sets are always the same
    lengths : English words of the sentences of each test set, of `tested` sentences
    """

    def __init__(
        self,
        language: str,
        longest: int,
        count: int,
        seed: int,
        lengths: tuple[int, ...] = LENGTHS,
        tested: int = 100,
    ) -> None:
        rng = np.random.default_rng(1000)
        self.tests = {
            n: sentence_pairs(language, tested, rng, n, distinct=True) for n in lengths
        }
        words = sentence_pairs(language, 3000, rng)  # enough to meet every word
        self.src = Vocabulary([p.source for p in words])
        self.tgt = Vocabulary([p.target for p in words], ("<sos>", "<eos>"))
        held = {tuple(p.source) for test in self.tests.values() for p in test}
        held.add(tuple(ATE_AN_APPLE.source))
        self.rng = np.random.default_rng(seed)
        drawn = sentence_pairs(language, count, self.rng, (3, longest))
        self.train = [p for p in drawn if tuple(p.source) not in held]

    def arrays(self, pairs: list[Pair]) -> tuple[Tensor, ...]:
        """Return the sources and their mask, the wrapped targets and theirs."""
        src = pad([self.src.ids(p.source) for p in pairs])
        tgt = pad([self.tgt.ids(["<sos>", *p.target, "<eos>"]) for p in pairs])
        return tuple(torch.from_numpy(a) for a in (*src, *tgt))

    def batches(self, size: int) -> Iterator[tuple[Tensor, ...]]:
        """Yield batches of sentences of like length, without end."""
        pool = 16 * size
        while True:
            order = self.rng.permutation(len(self.train))
            for start in range(0, len(order), pool):
                some = [self.train[i] for i in order[start : start + pool]]
                some.sort(key=lambda p: len(p.source))
                cut = [some[i : i + size] for i in range(0, len(some), size)]
                for i in self.rng.permutation(len(cut)):
                    yield self.arrays(cut[i])


def translator(
    corpus: Corpus, context: str, width: int, both: bool, score: str = "additive"
) -> Seq2Seq:
    """Return a fresh network; the encoder's last states decide the decoder's first."""
    return Seq2Seq(
        len(corpus.src),
        len(corpus.tgt),
        EMBED,
        width,
        bidirectional=both,
        context=context,
        score=score,
        init="project",
    )


def flops(model: Seq2Seq, B: int, S: int, T: int) -> int:
    """Count the operations of one update's matrix products, forward and backward.

    A product of (n, m) with (m, k) takes 2 n m k; the way back takes twice as many. B
    sentences, S source words, T tokens that the decoder is given; GRUs of one layer.
    """
    p = dict(model.named_parameters())
    V, H = p["output.weight"].shape
    G, M = p["encoder.weight_hh_l0"].shape
    D = p["encoder.weight_ih_l0"].shape[1]
    both = 1 + ("encoder.weight_ih_l0_reverse" in p)
    encoder = both * S * G * (D + M)
    start = H * both * M
    decoder = T * (3 * H * (p["decoder.weight_ih_l0"].shape[1] + H) + V * H)
    attention = 0
    if "attention.w" in p:
        A = len(p["attention.w"])
        keys, query, scores, average = S * A * both * M, A * H, S * A, S * both * M
        attention = keys + T * (query + scores + average)
    return 3 * 2 * B * (encoder + start + decoder + attention)


def train(
    model: Seq2Seq, corpus: Corpus, budget: float, rate: float, size: int = BATCH
) -> tuple[int, float]:
    """Train until the budget is spent; return how many updates, and what was spent.

    The rate is constant over the first half of the budget, then falls to zero.
    """
    adam = torch.optim.Adam(model.parameters(), rate)
    updates, spent = 0, 0.0
    for src, src_mask, tgt, tgt_mask in corpus.batches(size):
        if spent >= budget:
            break
        adam.param_groups[0]["lr"] = rate * min(1.0, 2 * (1 - spent / budget))
        logits = model(src, tgt[:, :-1], src_mask, tgt_mask[:, :-1])
        real = tgt_mask[:, 1:]
        loss = cross_entropy(logits[real], tgt[:, 1:][real])
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        spent += flops(model, len(src), src.shape[1], tgt.shape[1] - 1)
        updates += 1
    return updates, spent


def exact(model: Seq2Seq, corpus: Corpus, pairs: list[Pair]) -> float:
    """Return the share of sentences that greedy search translates word for word."""
    src, mask, _, _ = corpus.arrays(pairs)
    sos, eos = corpus.tgt.ids(["<sos>", "<eos>"])
    longest = max(len(p.target) for p in pairs) + 2
    found, _ = model.translate(src, sos, eos, longest, src_mask=mask)
    right = 0
    for ids, pair in zip(found.tolist(), pairs, strict=True):
        ids = ids[: ids.index(eos)] if eos in ids else ids
        right += [corpus.tgt.words[i] for i in ids] == pair.target
    return right / len(pairs)


@torch.no_grad()
def looks(model: Seq2Seq, corpus: Corpus, pairs: list[Pair]) -> list[np.ndarray]:
    """Return the weights (T, S) of each pair, while the right target is fed."""
    src, src_mask, tgt, _ = corpus.arrays(pairs)
    _, weights = model(src, tgt[:, :-1], src_mask, need_weights=True)
    sizes = [(len(p.target), len(p.source)) for p in pairs]
    return [w[:t, :s].numpy() for w, (t, s) in zip(weights, sizes, strict=True)]


def alignment_error(weights: list[np.ndarray], pairs: list[Pair]) -> float:
    """Return 1 - 2 |A & K| / (|A| + |K|): A the largest weights, K the known links.

    A holds a link for each target word that looks anywhere at all.
    """
    common = total = 0
    for w, pair in zip(weights, pairs, strict=True):
        seen = {(int(row.argmax()), t) for t, row in enumerate(w) if row.any()}
        common += len(seen & pair.alignment)
        total += len(seen) + len(pair.alignment)
    return 1 - 2 * common / total


def diagonal(pair: Pair) -> np.ndarray:
    """Return the weights of one who goes from left to right, and knows no German."""
    T, S = len(pair.target), len(pair.source)
    weights = np.zeros((T, S))
    weights[np.arange(T), np.arange(T) * S // T] = 1
    return weights


def run(
    seed: int,
    context: str = "attention",
    width: int = 64,
    both: bool = True,
    budget: float = BUDGET,
    rate: float = 0.008,
    count: int = 20_000,
) -> dict[str, Any]:
    """Train one network, and return what it can do.

    Returns
    -------
    updates, flops, parameters : how many
    exact : share of sentences translated without a mistake, for each of LENGTHS
    error : alignment error rate for each of LENGTHS, where there is attention
    picture, longer : weights for "I ate an apple", and for a test sentence
    """
    torch.manual_seed(seed)
    corpus = Corpus("german", 22, count, seed)
    model = translator(corpus, context, width, both)
    updates, spent = train(model, corpus, budget, rate)
    found: dict[str, Any] = {
        "updates": updates,
        "flops": spent,
        "parameters": sum(w.numel() for w in model.parameters()),
        "exact": [exact(model, corpus, test) for test in corpus.tests.values()],
    }
    if context == "attention":
        found["error"] = [
            alignment_error(looks(model, corpus, test), test)
            for test in corpus.tests.values()
        ]
        pictures = looks(model, corpus, [ATE_AN_APPLE, example(corpus)])
        found["picture"], found["longer"] = (w.tolist() for w in pictures)
    return found


def example(corpus: Corpus) -> Pair:
    """Return the first test sentence of 12 words whose verb `because` sends away."""
    return next(p for p in corpus.tests[12] if "because" in p.source)


def best_error(pairs: list[Pair]) -> float:
    """Return the error of the known alignment itself, where each word has one look."""
    return alignment_error([oracle(p) for p in pairs], pairs)
