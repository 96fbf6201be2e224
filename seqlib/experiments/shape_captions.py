"""Captions of shape scenes: four ways to give the image, at equal parameters.

Scenes of two coloured shapes, 24 by 24 pixels, go through a small convnet, and an
LSTM writes the caption, such as `a large red circle left of a small blue square`. The
image is the first state ("once"), an input at every step ("every"), the first input
("first"), or attended to word by word ("attention"). All is trained together.
Two more channels say of every pixel where it is; attention is also trained without.
Reported on new scenes: captions that are exactly right, BLEU, the share of their seven
facts that are right, and where attention looks. Two baselines see nothing.

Training needs speed, so `logits_of` is the model in torch's fused layers, for the
parameters of `seqlib.captioner`; whatever is reported comes from `seqlib.captioner`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from seqlib.captioner import captioner, captioner_start, init_captioner
from seqlib.data import Vocabulary, pad, scenes
from seqlib.decode import greedy
from seqlib.seq2seq import decoder_step

Params = dict[str, Tensor]

SEEDS = range(5)
FORMS: dict[str, dict[str, Any]] = {  # sizes that make the parameters as many
    "once": {"hidden_size": 56, "vector_size": 32},
    "every": {"hidden_size": 46, "vector_size": 32},
    "first": {"hidden_size": 60, "vector_size": 32, "init": "zero"},
    "attention": {"hidden_size": 80, "attention_size": 24},
}
SETTINGS: tuple[dict[str, Any], ...] = (
    {"form": "once", "places": True},
    {"form": "every", "places": True},
    {"form": "first", "places": True},
    {"form": "attention", "places": True},
    {"form": "attention", "places": False},
)
SIZE, MAP, SHOWN = 24, 6, 3
WORDS = Vocabulary(
    [
        ["a", "small", "large", "red", "blue", "green", "yellow", "purple"],
        ["circle", "square", "triangle", "cross", "left", "of", "above"],
    ],
    special=("<sos>", "<eos>"),
)
SOS, EOS = WORDS.ids(["<sos>", "<eos>"])


class Album:
    """Scenes as tensors: images (N, 3 or 5, S, S), ids (N, T) of whole captions."""

    def __init__(self, count: int, seed: int, places: bool = True) -> None:
        self.scenes = scenes(count, np.random.default_rng([14, seed]), size=SIZE)
        images = 4 * self.scenes.images  # much of a scene is black: its mean is small
        if places:
            ramp = np.linspace(-1, 1, SIZE, dtype=np.float32)
            where = np.stack(np.meshgrid(ramp, ramp))  # across, and down
            more = np.broadcast_to(where, (count, *where.shape))
            images = np.concatenate([images, more], axis=1)
        told = [["<sos>", *words, "<eos>"] for words in self.scenes.captions]
        self.images = torch.tensor(images)
        self.ids = torch.tensor(pad([WORDS.ids(words) for words in told])[0])


def drawn(form: str, channels: int, seed: int) -> Params:
    """Draw the parameters of one form, float32, with two starts that are worth having.

    The forget gates begin open, bias ln 10: a caption has about ten words. The layer
    that makes v ends in a relu and gets the larger weights that suit one.
    """
    image = (channels, SIZE, SIZE)
    sizes = image, len(WORDS), (8, 24), 32
    rng, H = np.random.default_rng(seed), FORMS[form]["hidden_size"]
    made = init_captioner("lstm", *sizes, context=form, rng=rng, **FORMS[form])
    made["decoder.bias_ih_l0"][H : 2 * H] = np.log(10)
    made["decoder.bias_hh_l0"][H : 2 * H] = 0
    if "encoder.fc.weight" in made:
        made["encoder.fc.weight"] *= 6**0.5
    return {name: torch.tensor(a, dtype=torch.float32) for name, a in made.items()}


def how(form: str) -> dict[str, str]:
    """Return what `captioner` and its friends must be told about a form."""
    return {
        "kind": "lstm",
        "context": form,
        "init": FORMS[form].get("init", "project"),
    }


def logits_of(images: Tensor, tgt: Tensor, p: Params, form: str) -> Tensor:
    """Return what `captioner` returns, (B, T, V), from torch's fused layers."""
    seen = images
    for k in range(2):
        W, b = p[f"encoder.conv{k}.weight"], p[f"encoder.conv{k}.bias"]
        seen = functional.conv2d(seen, W, b, padding="same").relu()
        seen = functional.max_pool2d(seen, 2)
    linear = partial(_linear, p)
    a = seen.flatten(2).transpose(1, 2)  # (B, places, F)
    if "encoder.fc.weight" in p:
        v = linear("encoder.fc", seen.flatten(1)).relu()
    else:
        v = a.mean(1)
    x = functional.embedding(tgt, p["decoder.embedding.weight"])
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    cell = [p[f"decoder.{name}_l0"] for name in names]
    h = c = v.new_zeros(len(v), cell[1].shape[1])
    if "init.weight" in p:
        h, c = linear("init", v).tanh().chunk(2, 1)
    if form == "attention":
        return linear("output", _attend(x, (h, c), a, p, cell))
    if form == "every":
        x = torch.cat([x, v[:, None].expand(-1, x.shape[1], -1)], 2)
    if form == "first":
        x = torch.cat([linear("first", v)[:, None], x], 1)
    lstm = torch._VF.lstm  # type: ignore[attr-defined]
    state = (h[None].contiguous(), c[None].contiguous())
    y, *_ = lstm(x, state, cell, True, 1, 0.0, True, False, True)
    return linear("output", y[:, 1:] if form == "first" else y)


def _linear(p: Params, name: str, x: Tensor) -> Tensor:
    return functional.linear(x, p[f"{name}.weight"], p[f"{name}.bias"])


def _attend(
    x: Tensor, state: tuple[Tensor, Tensor], a: Tensor, p: Params, cell: list[Tensor]
) -> Tensor:
    """Run the decoder with additive attention over the annotations a."""
    keys, states = functional.linear(a, p["attention.W_k"]), []
    for e_t in x.unbind(1):
        query = functional.linear(state[0], p["attention.W_q"])[:, None]
        weights = ((keys + query).tanh() @ p["attention.w"]).softmax(1)
        seen = (weights[:, None] @ a)[:, 0]
        state = torch.lstm_cell(torch.cat([e_t, seen], 1), state, *cell)
        states.append(state[0])
    return torch.stack(states, 1)


def loss_of(logits: Tensor, ids: Tensor) -> Tensor:
    """Return the mean of -log P(y_t | y_<t, I) over all real words."""
    flat, words = logits.flatten(0, 1), ids[:, 1:].flatten()
    return functional.cross_entropy(flat, words, ignore_index=0)


def fit(
    p: Params, album: Album, form: str, updates: int, lr: float, seed: int
) -> list[float]:
    """Train all parameters together; return the loss of each update."""
    for weight in p.values():
        weight.requires_grad_()
    optimiser = torch.optim.Adam(p.values(), lr)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=updates)
    order, losses = np.random.default_rng([seed, 1]), []
    left: list[int] = []
    for _ in range(updates):
        if len(left) < 32:
            left = order.permutation(len(album.ids)).tolist()
        batch, left = left[:32], left[32:]
        ids = album.ids[batch]
        loss = loss_of(logits_of(album.images[batch], ids[:, :-1], p, form), ids)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(p.values(), 1.0)
        optimiser.step()
        cycle.step()
        losses.append(loss.item())
    for weight in p.values():
        weight.requires_grad_(False)
    return losses


def write(p: Params, album: Album, form: str) -> list[list[str]]:
    """Caption all images, word by word, the likeliest each time."""
    start = captioner_start(album.images, SOS, p, **how(form))
    step = partial(decoder_step, params=p, kind="lstm", context=form)
    rows = greedy(step, start, EOS, 13)[0].tolist()
    return [WORDS.text(word for word in row if word != EOS) for row in rows]


def facts(words: list[str]) -> list[str]:
    """Return size, colour and shape of both things, and the relation, "" if unsaid."""
    if len(words) < 9:
        return [""] * 7
    return [*words[1:4], words[4], *words[-3:]]


def judge(
    said: list[list[str]], right: list[list[str]], bleu: bool = True
) -> dict[str, Any]:
    """Compare captions with the right ones; BLEU only where it is wanted."""
    pairs = [(facts(a), facts(b)) for a, b in zip(said, right, strict=True)]
    hits = np.mean([[x == y for x, y in zip(*p, strict=True)] for p in pairs], axis=0)
    found: dict[str, Any] = {
        "exact": float(np.mean([a == b for a, b in zip(said, right, strict=True)])),
        "facts": [float(hit) for hit in hits],
    }
    if bleu:
        from seqlib.metrics import bleu as score  # needs sacrebleu

        texts = [" ".join(words) for words in said], [" ".join(w) for w in right]
        found["bleu"] = score(*texts, tokenize="none")
    return found


def cells_of(masks: np.ndarray) -> np.ndarray:
    """Return which places of the map a thing touches: (..., S, S) to (..., 6, 6)."""
    side = SIZE // MAP
    blocks = masks.reshape(*masks.shape[:-2], MAP, side, MAP, side)
    return np.asarray(blocks.any((-3, -1)))


def looks(p: Params, album: Album) -> tuple[Tensor, dict[str, float]]:
    """Return attention's weights on right captions, and where they lie by word.

    For the word that says a size, colour or shape: the weight on the places that the
    named thing touches ("own"), on those of the other thing, and what evenly spread
    weights would put on the named one ("even").
    """
    tgt, form = album.ids[:, :-1], "attention"
    _, weights, _ = captioner(album.images, tgt, p, **how(form), return_weights=True)
    touched = cells_of(album.scenes.masks)  # (N, 2, 6, 6)
    kinds = ("size", "colour", "shape")
    sums: dict[str, list[float]] = {"even": []}
    for i, whose in enumerate(album.scenes.refers):
        for k in (0, 1):
            places = [t for t, who in enumerate(whose) if who == k][1:]  # without "a"
            for kind, t in zip(kinds, places, strict=True):
                own, other = (weights[i, t].numpy()[touched[i, j]] for j in (k, 1 - k))
                sums.setdefault(f"own {kind}", []).append(own.sum())
                sums.setdefault(f"other {kind}", []).append(other.sum())
            sums["even"].append(touched[i, k].mean())
    return weights, {name: float(np.mean(each)) for name, each in sums.items()}


def baselines(album: Album, test: Album) -> dict[str, Any]:
    """Judge two writers that are blind: always one caption, and any caption."""
    right, known = test.scenes.captions, album.scenes.captions
    columns = zip(*(facts(words) for words in known), strict=True)
    usual = [max(sorted(set(words)), key=words.count) for words in map(list, columns)]
    between = [usual[3], "of"] if usual[3] == "left" else [usual[3]]
    one = ["a", *usual[:3], *between, "a", *usual[4:]]
    return {
        "one caption": judge([one] * len(right), right),
        "any caption": judge(known[: len(right)], right),
    }


def run(
    seed: int,
    form: str,
    places: bool,
    updates: int = 900,
    lr: float = 0.003,
    count: int = 3000,
    tests: int = 300,
    bleu: bool = True,
) -> dict[str, Any]:
    """Train one captioner and judge it on new scenes."""
    torch.manual_seed(seed)
    album, test = Album(count, seed, places), Album(tests, 1000 + seed, places)
    p = drawn(form, album.images.shape[1], seed)
    losses = fit(p, album, form, updates, lr, seed)
    said, right = write(p, test, form), test.scenes.captions
    some = [" ".join(words) for words in said[:20]]
    found = judge(said, right, bleu) | {
        "parameters": sum(weight.numel() for weight in p.values()),
        "losses": [float(np.mean(part)) for part in np.array_split(losses, 30)],
        "said": some,
    }
    if bleu:
        found["baselines"] = baselines(album, test)
        found["bleu_of_20"] = judge(said[:20], right[:20])["bleu"]
    if form == "attention":
        weights, found["looks"] = looks(p, test)
        if seed == 0:
            found["weights"] = weights[:SHOWN].flatten(2).tolist()
    return found
