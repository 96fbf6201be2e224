"""Chapter 14's references against torch, autograd and the package."""

from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from torch.nn import functional

from seqlib.captioner import captioner, captioner_start, init_captioner
from seqlib.data import scenes
from seqlib.decode import greedy
from seqlib.experiments import shape_captions
from seqlib.grading import CheckError, check
from seqlib.grading.exercises.captions import backward, eye, look, words, writer
from seqlib.seq2seq import decoder_step

SOURCE = Path(__file__).parents[1] / "exercises" / "14-image-captioning.ipynb"
IMAGE, V = (3, 8, 8), 7


def same(array, tensor, within=1e-12):
    wanted = tensor.detach().numpy() if torch.is_tensor(tensor) else tensor
    np.testing.assert_allclose(array, wanted, atol=within)


def drawn(context, **options):
    rng = np.random.default_rng(14)
    sizes = IMAGE, V, (4,), 3, 5
    return init_captioner("rnn", *sizes, context=context, rng=rng, **options)


def test_a_map_in_torch():
    maps = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    rows, mean = eye.map_to_list(maps.numpy())
    same(rows, maps.flatten(2).mT)
    same(mean, functional.adaptive_avg_pool2d(maps, 1)[..., 0, 0], 1e-6)


def test_the_price_in_torch():
    rng = np.random.default_rng(1)
    for case in words.LOSS.draw(3):
        logits, ids = map(torch.tensor, case.args)
        target = ids[:, 1:].flatten()
        price = functional.cross_entropy(logits.flatten(0, 1), target, ignore_index=0)
        same(words.caption_loss(*case.args), price, 1e-9)
    logits, ids = rng.normal(size=(2, 3, V)), np.array([[1, 4, 2, 0], [1, 3, 5, 2]])
    torch_logits = torch.tensor(logits)
    by_experiment = shape_captions.loss_of(torch_logits, torch.tensor(ids))
    same(words.caption_loss(logits, ids), by_experiment)


def test_one_option_as_the_other_in_captioner():
    p = drawn("first", init="zero", vector_size=6)
    cell = (p[f"decoder.{name}_l0"] for name in ("weight_ih", "bias_ih", "bias_hh"))
    W_s, b_s = eye.as_first_state(*cell, p["first.weight"], p["first.bias"])
    other = {k: w for k, w in p.items() if not k.startswith("first.")}
    other |= {"init.weight": W_s, "init.bias": b_s}
    images = np.random.default_rng(2).uniform(size=(2, *IMAGE))
    tgt = np.array([[1, 3, 4], [1, 5, 3]])
    wanted, _ = captioner(images, tgt, p, "rnn", "first", init="zero")
    same(captioner(images, tgt, other, "rnn", "once")[0], wanted)


def test_a_look_and_its_way_back_against_autograd():
    rng = np.random.default_rng(3)
    B, N, F, H, A = 2, 5, 3, 4, 6
    shapes = (B, H), (B, N, F), (A, H), (A, F), (A,)
    args = [rng.normal(size=shape) for shape in shapes]
    s, a, W_q, W_k, w = (torch.tensor(x, requires_grad=True) for x in args)
    u = ((s @ W_q.T)[:, None] + a @ W_k.T).tanh()
    p = (u @ w).softmax(1)
    c = torch.einsum("bn,bnf->bf", p, a)
    found = look.attend(*args)
    same(found[0], c)
    same(found[1], p)
    dc = rng.normal(size=(B, F))
    wanted = torch.autograd.grad((c * torch.tensor(dc)).sum(), [a, s])
    left = [x.detach().numpy() for x in (p, u)]
    for mine, its in zip(
        backward.look_back(dc, args[1], *left, *args[2:]), wanted, strict=True
    ):
        same(mine, its)


def test_blame_from_every_word_against_autograd():
    rng = np.random.default_rng(4)
    B, T, E, M, H = 2, 4, 3, 5, 6
    W_c, W_s = rng.normal(size=(2, H, M))
    W_e, W_hh = rng.normal(size=(H, E)), rng.normal(size=(H, H)) / 2
    v = torch.tensor(rng.normal(size=(B, M)) / 2, requires_grad=True)
    s_0 = (v @ torch.tensor(W_s).T).tanh()
    e, dy = torch.tensor(rng.normal(size=(T, B, E))), rng.normal(size=(T, B, H))
    s, zs, total = s_0, [], 0
    for e_t, dy_t in zip(e, dy, strict=True):
        z = e_t @ torch.tensor(W_e).T + v @ torch.tensor(W_c).T
        z = z + s @ torch.tensor(W_hh).T
        zs.append(z)
        s = z.tanh()
        total = total + (s * torch.tensor(dy_t)).sum()
    *deltas, ds_0, dv = torch.autograd.grad(total, [*zs, s_0, v])
    given = torch.stack(deltas, 1), ds_0, s_0.detach()
    found = backward.image_back(*(x.numpy() for x in given), W_c, W_s)
    same(found, dv)


def test_the_writer_against_greedy():
    p = drawn("once", vector_size=6)
    images = np.random.default_rng(5).uniform(size=(3, *IMAGE))
    state, token = captioner_start(images, 1, p, "rnn", "once")

    def step(state, token):
        return decoder_step(state, token, p, "rnn", "once")

    said, _ = greedy(step, (state, token), 2, 6)
    start, names = (
        state.state[0][:, 0],
        ("weight_ih", "weight_hh", "bias_ih", "bias_hh"),
    )
    W_ih, W_hh, b_ih, b_hh = (p[f"decoder.{name}_l0"] for name in names)
    for row, first in zip(said, start, strict=True):
        weights = {
            **{"W_s": np.eye(5), "b_s": np.zeros(5), "b": b_ih + b_hh},
            **{"table": p["decoder.embedding.weight"], "W_ih": W_ih, "W_hh": W_hh},
            **{"W_hy": p["output.weight"], "b_y": p["output.bias"]},
        }
        found = writer.write(np.arctanh(first), weights, 1, 2, 6)
        filled = np.append(row, np.full(6 - len(row), 2))
        assert found.tolist() == filled.tolist()


def test_the_gaze_against_the_experiments():
    some = scenes(4, np.random.default_rng(6), size=24)
    rng = np.random.default_rng(7)
    for masks, refers in zip(some.masks, some.refers, strict=True):
        weights = rng.dirichlet(np.ones(36), len(refers)).reshape(-1, 6, 6)
        cells = shape_captions.cells_of(masks)
        own = [
            w[cells[k]].sum() for w, k in zip(weights, refers, strict=True) if k >= 0
        ]
        even = np.mean([cells[k].mean() for k in refers if k >= 0])
        same(look.gaze(weights, masks, np.array(refers)), [np.mean(own), even])


def test_the_broken_writer_is_in_the_bank():
    cells = nbformat.read(SOURCE, as_version=4).cells
    (source,) = [c.source for c in cells if c.source.startswith("def broken(")]
    space: dict = {}
    exec("import numpy as np\n" + source, space)
    with pytest.raises(CheckError, match="Hint: All three faults are still there"):
        check("14-7", space["broken"])


def test_the_fast_model_is_the_captioner():
    album = shape_captions.Album(3, 100)
    tgt = album.ids[:, :-1]
    for form in shape_captions.FORMS:
        p = shape_captions.drawn(form, 5, 0)
        fast = shape_captions.logits_of(album.images, tgt, p, form)
        right, _ = captioner(album.images, tgt, p, **shape_captions.how(form))
        same(fast.numpy(), right, 1e-5)
