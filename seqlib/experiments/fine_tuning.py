"""Pre-training, then fine-tuning on few labels: the table of 2018, on a small scale.

The texts are those of `missing_pronouns`: `mario never called . i wanted him to call me
. maria was there .` A model first reads such texts as a language model. Then the
pronoun is blotted out, `___`, and a few texts come with the right one as their label;
the loss is that of the labels plus `AUXILIARY` times that of the language. Left out in
turn are the first stage, the second part of the loss, and the Transformer, for which an
LSTM of about as many parameters stands in. Measured is the share of right labels on
texts that no stage has seen. (Whoever only collects names is right in three of four.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from seqlib.data import Vocabulary, missing_pronouns, pad
from seqlib.train import cosine, seeded

from ._small_gpt import small_gpt

SEEDS = range(5)
SETTINGS: tuple[dict[str, Any], ...] = tuple(
    {"body": body, "pretrain": pretrain, "auxiliary": auxiliary}
    for body, pretrain, auxiliary in (
        ("gpt", True, True),
        ("gpt", False, True),
        ("gpt", True, False),
        ("lstm", True, True),
    )
)
LABELLED = (16, 64)
WIDTH, BLOCKS, HEADS = 32, 2, 4
PLACES = 24
AUXILIARY = 0.5  # the paper's λ
RATES = {"gpt": 0.003, "lstm": 0.01}
SPECIAL = ("<sos>", "<extract>")

Array = np.ndarray


class Reader(nn.Module):
    """A language model with a second output, for the label.

    Parameters
    ----------
    body : "gpt" or "lstm"
    V : the number of words
    """

    def __init__(self, body: str, V: int) -> None:
        super().__init__()
        self.gpt = body == "gpt"
        E = WIDTH
        if self.gpt:
            self.body: Any = small_gpt(V, PLACES, BLOCKS, HEADS, E)
        else:
            self.table = nn.Embedding(V, E)
            self.body = nn.LSTM(E, 61, batch_first=True)
            self.dec = nn.Linear(61, V)
        self.label = nn.Linear(E if self.gpt else 61, 2)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Read ids (B, T); return states (B, T, ...) and logits of the next word."""
        if self.gpt:
            h = self.body.hidden(ids)
            return h, h @ self.body.wte.weight.T
        h, _ = self.body(self.table(ids))
        return h, self.dec(h)


def corpora(seed: int) -> tuple[Vocabulary, list, list, list]:
    """Return the words, 3000 texts to read, 64 labelled ones, and 300 to be tested.

    The test's texts are the same for all seeds and stand nowhere else.
    """
    test = missing_pronouns(300, np.random.default_rng(1000))
    held = {tuple(text.words) for text in test}
    drawn = missing_pronouns(3500, np.random.default_rng(seed))
    rest = [text for text in drawn if tuple(text.words) not in held]
    read, few = rest[:3000], rest[3000 : 3000 + max(LABELLED)]
    vocabulary = Vocabulary([*(t.words for t in read), ["him", "her"]], SPECIAL)
    return vocabulary, read, few, test


def arrays(
    vocabulary: Vocabulary, texts: list, filled: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Return `<sos> ... <extract>` as ids (B, T), where it ends, and the labels.

    `filled` puts the pronoun where it was blotted out.
    """
    rows = []
    for text in texts:
        words = list(text.words)
        words[text.gap] = text.answer if filled else words[text.gap]
        rows.append(vocabulary.ids(["<sos>", *words, "<extract>"]))
    ends = torch.tensor([len(row) - 1 for row in rows])
    labels = torch.tensor([int(text.answer == "her") for text in texts])
    return torch.from_numpy(pad(rows)[0]), ends, labels


def language_loss(logits: Tensor, ids: Tensor) -> Tensor:
    """Return the mean of -log P of each next word; padding, id 0, is left out."""
    flat = logits[:, :-1].flatten(0, 1)
    return cross_entropy(flat, ids[:, 1:].flatten(), ignore_index=0)


def label_logits(model: Reader, h: Tensor, ends: Tensor) -> Tensor:
    """Return the logits of blame and praise, from the state at `<extract>`."""
    return model.label(h[torch.arange(len(h)), ends])


def learn(model: Reader, lr: float, steps: int, loss: Any) -> None:
    """Make so many updates on `loss(step)`."""
    optimiser = torch.optim.Adam(model.parameters(), lr=lr)
    schedule = cosine(steps, steps // 10)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = lr * schedule(step)
        optimiser.zero_grad()
        loss(step).backward()
        optimiser.step()


def read_on(model: Reader, ids: Tensor, lr: float, steps: int, seed: int) -> None:
    """Read batches of 64 unlabelled texts."""
    order = torch.tensor(np.random.default_rng(seed).permutation(len(ids) * 20))

    def loss(step: int) -> Tensor:
        batch = ids[order[64 * step : 64 * step + 64] % len(ids)]
        return language_loss(model(batch)[1], batch)

    learn(model, lr, steps, loss)


def fine_tune(
    model: Reader, data: tuple[Tensor, ...], lr: float, steps: int, auxiliary: bool
) -> None:
    """Learn labels from all of data at once, with the language's loss or without."""
    ids, ends, labels = data

    def loss(step: int) -> Tensor:
        h, logits = model(ids)
        both = cross_entropy(label_logits(model, h, ends), labels)
        return both + AUXILIARY * language_loss(logits, ids) if auxiliary else both

    learn(model, lr, steps, loss)


@torch.no_grad()
def right(model: Reader, data: tuple[Tensor, ...]) -> float:
    """Return the share of right labels."""
    ids, ends, labels = data
    guess = label_logits(model, model(ids)[0], ends).argmax(dim=1)
    return float((guess == labels).double().mean())


@torch.no_grad()
def filled_in(model: Reader, vocabulary: Vocabulary, texts: list) -> list[float]:
    """Return how often the language model alone prefers the right pronoun.

    It is asked at the gap, where it sees what stands to the left: the share for texts
    whose deciding name stands before the gap, and for those where it comes after.
    """
    him, her = vocabulary.ids(["him", "her"])
    logits = model(arrays(vocabulary, texts)[0])[1]  # <sos> has moved all by one
    right: tuple[list[bool], list[bool]] = ([], [])
    for row, text in zip(logits, texts, strict=True):
        says = "her" if row[text.gap, her] > row[text.gap, him] else "him"
        right[text.name > text.gap].append(says == text.answer)
    return [float(np.mean(some)) for some in right]


def run(
    seed: int,
    body: str,
    pretrain: bool,
    auxiliary: bool,
    updates: tuple[int, int] = (300, 100),
    labelled: tuple[int, ...] = LABELLED,
) -> dict[str, Any]:
    """Train one model, and a copy of it on each number of labels; return scores."""
    vocabulary, unlabelled, few, test = corpora(seed)
    ids, _, _ = arrays(vocabulary, unlabelled, filled=True)
    tested, known = arrays(vocabulary, test), arrays(vocabulary, few)
    with seeded(seed):
        model = Reader(body, len(vocabulary))
    if pretrain:
        read_on(model, ids, RATES[body], updates[0], seed)
    with torch.no_grad():
        whole = arrays(vocabulary, test, filled=True)[0]
        reads = float(language_loss(model(whole)[1], whole))
    guessed = filled_in(model, vocabulary, test)
    begin = {name: p.clone() for name, p in model.state_dict().items()}
    found = []
    for n in labelled:
        model.load_state_dict(begin)
        some = tuple(part[:n] for part in known)
        fine_tune(model, some, RATES[body], updates[1], auxiliary)
        found.append(right(model, tested))
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "language": reads,
        "filled": guessed,
        "labelled": list(labelled),
        "right": found,
    }
