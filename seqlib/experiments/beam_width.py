"""What a wider beam changes, at three stages of a translator's training.

Each run draws a corpus (Spanish into English, made by a grammar, in which `went back
to` and `went to ... again` are both right), trains one encoder-decoder for so many
updates, and translates 150 held-out sentences: greedily, with beams of growing width,
by drawing, and *exactly*. The exact search keeps every prefix that is still likelier
than the best sequence known, so that it can miss nothing. For each width a run tells

- search_error: share of sentences whose result is less probable than the exact one
- certified: share whose result has P >= 1 / width, which proves that it is the best
- log_p: mean log P of the results; length: their mean number of words
- right: share of results that are, word for word, one of the right translations
- bleu: against all right translations; None without the package sacrebleu

and the last three also for a length penalty of 1, and for the results of the exact
search and of drawing. `rome` says how probable the two right translations of the
chapter's sentence are, and what a beam of 8 finds for it. The same for all runs: the
sizes, the batch, Adam with a rate that falls from 0.01 to 0. Sizes and updates were
settled in pilots with seeds 100 and 101.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from seqlib.data.text import Vocabulary, pad
from seqlib.data.translation import BACK_TO_ROME, Pair, both_ways, sentence_pairs
from seqlib.decode import Step, beam_search, sample, take_rows
from seqlib.functional import cross_entropy, cross_entropy_backward
from seqlib.optim import adam, clip_by_norm
from seqlib.seq2seq import (
    decoder_step,
    init_seq2seq,
    seq2seq,
    seq2seq_backward,
    seq2seq_start,
    sequence_log_prob,
)

SEEDS = range(5)
WIDTHS = (1, 2, 3, 4, 8, 16, 32, 64)
SETTINGS = tuple({"updates": updates} for updates in (200, 500, 1200))
SOS, EOS, LONGEST = 1, 2, 24
CLOSE = 1e-3  # in log P: float32 is not more exact

Array = np.ndarray


class Translator(NamedTuple):
    """A trained encoder-decoder, and the words that its numbers stand for."""

    params: dict[str, Array]
    spanish: Vocabulary
    english: Vocabulary

    def start(self, sources: list[list[str]]) -> tuple[Any, Array]:
        """Read the sources; the `start` of `seqlib.decode`."""
        ids, mask = pad([self.spanish.ids(words) for words in sources])
        return seq2seq_start(ids, SOS, self.params, "gru", src_mask=mask)

    @property
    def step(self) -> Step:
        """The `step` of `seqlib.decode`."""
        return partial(decoder_step, params=self.params, kind="gru")

    def words(self, tokens: Array) -> list[str]:
        """Return the words of one sequence, without its end."""
        return self.english.text(i for i in tokens if i != EOS)


def corpus(seed: int, pairs: int = 3000, tests: int = 150) -> tuple[list, list]:
    """Draw pairs to learn from and to be tested with, the sentence on Rome in none."""
    rng = np.random.default_rng(seed)
    drawn = sentence_pairs("spanish", pairs + tests, rng, words=(3, 10), distinct=True)
    drawn = [pair for pair in drawn if pair.target != BACK_TO_ROME.target]
    return drawn[tests:], drawn[:tests]


def trained(seed: int, updates: int, hidden: int = 64) -> tuple[Translator, list[Pair]]:
    """Train a translator; return it with the pairs that it has not seen."""
    known, held_out = corpus(seed)
    every = [*known, *held_out, BACK_TO_ROME]
    spanish = Vocabulary([pair.target for pair in every])
    english = Vocabulary([pair.source for pair in every], ["<sos>", "<eos>"])
    rng = np.random.default_rng([seed, 1])
    drawn = init_seq2seq("gru", len(spanish), len(english), 32, hidden, rng=rng)
    params = {name: p.astype(np.float32) for name, p in drawn.items()}
    state = None
    sources = [spanish.ids(pair.target) for pair in known]
    targets = [[SOS, *english.ids(pair.source), EOS] for pair in known]
    for update in range(updates):
        batch = rng.integers(len(known), size=64)
        x, x_mask = pad([sources[i] for i in batch])
        y, y_mask = pad([targets[i] for i in batch])
        counts = y_mask[:, 1:]
        logits, cache = seq2seq(
            x, y[:, :-1], params, "gru", src_mask=x_mask, tgt_mask=counts
        )
        wanted = np.where(counts, y[:, 1:], -100)
        _, of_loss = cross_entropy(logits, wanted)
        grads = seq2seq_backward(cross_entropy_backward(1.0, of_loss), cache)
        rate = 0.01 * (1 - update / updates)
        params, state = adam(params, clip_by_norm(grads, 1.0)[0], state, lr=rate)
    return Translator(params, spanish, english), held_out


def exact_search(
    step: Step, start: tuple[Any, Array], eos: int, max_len: int, bar: float = -np.inf
) -> tuple[Array, float, int]:
    """Find the likeliest sequence of one input, whatever it takes.

    A prefix is dropped once a finished sequence is at least as probable: what follows
    can only lower its log P. A good first `bar`, the log P of a sequence that a beam
    has found, saves most of the work. Return the tokens, their log P, and how many
    prefixes were followed; no tokens, if nothing is better than the bar.
    """
    (state, token), best, found = start, bar, np.zeros(0, int)
    prefixes, total, followed = np.zeros((1, 0), int), np.zeros(1), 0
    for t in range(1, max_len + 1):
        log_probs, state = step(state, token)
        followed += len(total)
        total = total[:, None] + log_probs  # (prefixes, V)
        ends = total if t == max_len else total[:, eos : eos + 1]
        if ends.max() > best:
            row, column = np.unravel_index(ends.argmax(), ends.shape)
            last = column if t == max_len else eos
            best, found = float(ends.max()), np.append(prefixes[row], last)
        total[:, eos] = -np.inf
        parent, token = np.nonzero(total > best)
        if not len(parent) or t == max_len:
            break
        prefixes = np.column_stack([prefixes[parent], token])
        total, state = total[parent, token], take_rows(state, parent)
    return found, best, followed


def judge(outputs: list[list[str]], pairs: list[Pair], bleu: bool) -> dict[str, Any]:
    """Say how long the outputs are, and how many are right."""
    right = [[p.source for p in both_ways(pair)] for pair in pairs]
    hits = [words in all_right for words, all_right in zip(outputs, right, strict=True)]
    verdict = {
        "length": float(np.mean([len(words) for words in outputs])),
        "right": float(np.mean(hits)),
        "bleu": None,
    }
    if bleu:
        from seqlib.metrics import bleu as score

        references = [[" ".join(words) for words in each] for each in right]
        verdict["bleu"] = score([" ".join(o) for o in outputs], references, "none")
    return verdict


def search(
    model: Translator, pairs: list[Pair], width: int, length_penalty: float = 0.0
) -> tuple[list[list[str]], Array]:
    """Translate by a beam; return the words and the scores of the best."""
    start = model.start([pair.target for pair in pairs])
    tokens, scores = beam_search(model.step, start, EOS, width, LONGEST, length_penalty)
    return [model.words(best[0]) for best in tokens], scores[:, 0]


def run(
    seed: int,
    updates: int,
    widths: tuple[int, ...] = WIDTHS,
    tests: int = 150,
    bleu: bool = True,
) -> dict[str, Any]:
    """Train one translator and try all widths; `bleu` needs sacrebleu."""
    model, pairs = trained(seed, updates)
    pairs = pairs[:tests]
    plain = {width: search(model, pairs, width) for width in widths}
    bars = np.max([scores for _, scores in plain.values()], axis=0) - CLOSE
    exact, best, followed = [], [], []
    for pair, bar in zip(pairs, bars, strict=True):
        start = model.start([pair.target])
        tokens, log_p, n = exact_search(model.step, start, EOS, LONGEST, float(bar))
        exact.append(model.words(tokens))
        best.append(log_p)
        followed.append(n)
    beams: dict[str, list] = {"search_error": [], "certified": [], "log_p": []}
    for width, (outputs, scores) in plain.items():
        beams["search_error"].append(float(np.mean(scores < np.array(best) - CLOSE)))
        beams["certified"].append(float(np.mean(np.exp(scores) >= 1 / width)))
        beams["log_p"].append(float(scores.mean()))
        normed, _ = search(model, pairs, width, length_penalty=1.0)
        for suffix, each in (("", outputs), ("_normed", normed)):
            for name, value in judge(each, pairs, bleu).items():
                beams.setdefault(name + suffix, []).append(value)
    start = model.start([pair.target for pair in pairs])
    tokens, scores = sample(
        model.step, start, EOS, LONGEST, np.random.default_rng([seed, 2])
    )
    drawn = judge([model.words(each) for each in tokens], pairs, bleu)
    return {
        "widths": list(widths),
        **beams,
        "exact": judge(exact, pairs, bleu)
        | {"log_p": float(np.mean(best)), "followed": int(max(followed))},
        "drawn": drawn | {"log_p": float(scores.mean())},
        "reference_length": float(np.mean([len(pair.source) for pair in pairs])),
        "rome": rome(model),
    }


def rome(model: Translator) -> dict[str, Any]:
    """Return the probabilities of the two right answers, and what a beam of 8 finds."""
    right = both_ways(BACK_TO_ROME)
    x = np.array([model.spanish.ids(BACK_TO_ROME.target)])
    chances = []
    for pair in right:
        y = np.array([[SOS, *model.english.ids(pair.source), EOS]])
        logits, _ = seq2seq(x, y[:, :-1], model.params, "gru")
        chances.append(float(np.exp(sequence_log_prob(logits, y[:, 1:])[0])))
    start = model.start([BACK_TO_ROME.target])
    tokens, scores = beam_search(model.step, start, EOS, 8, LONGEST)
    found = [" ".join(model.words(each)) for each in tokens[0]]
    return {"right": chances, "found": found, "p": np.exp(scores[0]).tolist()}
