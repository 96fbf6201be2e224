"""The references of chapter 3's exercises, held against torch."""

import numpy as np
import pytest

from seqlib.grading import CheckError, check
from seqlib.grading.exercises.scanning import (
    backward,
    giant,
    image,
    maps,
    pooling,
    sizes,
)

torch = pytest.importorskip("torch")
F = torch.nn.functional


def close(ours, torchs):
    np.testing.assert_allclose(ours, torchs.numpy(), rtol=1e-10, atol=1e-12)


def test_units_and_kernels():
    rng = np.random.default_rng(3)
    x, w, b = rng.normal(size=(3, 12)), rng.normal(size=(4, 3, 5)), rng.normal(size=4)
    one = F.conv1d(*(torch.tensor(a) for a in (x[None, :1], w[:1, :1], b[:1])))
    close(maps.slide(x[0], w[0, 0], b[0]), one[0, 0])

    photo, kernel = rng.normal(size=(3, 7, 9)), rng.normal(size=(4, 3, 2, 5))
    right = F.conv2d(*(torch.tensor(a) for a in (photo, kernel, b)))
    close(image.maps(photo, kernel, b), right)

    W2, b2 = rng.normal(size=(2, 4)), rng.normal(size=2)
    hidden = torch.tanh(F.conv1d(*(torch.tensor(a) for a in (x, w, b))))
    answers = F.conv1d(hidden, torch.tensor(W2)[..., None], torch.tensor(b2))
    close(maps.scan_for(x, w.reshape(4, 15), b, W2, b2), answers.amax(dim=1))

    G = giant.giant(w, 12)
    right = F.conv1d(torch.tensor(x), torch.tensor(w))
    close(G @ x.reshape(-1), right.flatten())


def test_the_ways_back():
    rng = np.random.default_rng(4)
    x, w, b = rng.normal(size=(3, 12)), rng.normal(size=(4, 3, 5)), rng.normal(size=4)
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, w, b)]
    dz = rng.normal(size=(4, 8))
    F.conv1d(*leaves).backward(torch.tensor(dz))
    for ours, leaf in zip(backward.conv_back(dz, x, w), leaves, strict=True):
        close(ours, leaf.grad)

    for K, S, T in (3, 2, 11), (2, 3, 12), (4, 1, 9), (4, 4, 15):
        signal, kernel = torch.randn(1, 1, T).double(), rng.normal(size=K)
        signal.requires_grad_()
        z = F.conv1d(signal, torch.tensor(kernel)[None, None], None, S)
        blame = rng.normal(size=z.shape[2])
        z.backward(torch.tensor(blame)[None, None])
        close(backward.stride_back(blame, kernel, S, T), signal.grad[0, 0])

        z = torch.randn(1, 1, T).double().round().requires_grad_()  # with equal values
        y = F.max_pool1d(z, K, S)
        blame = rng.normal(size=y.shape[2])
        y.backward(torch.tensor(blame)[None, None])
        numbers = z.detach().numpy()[0, 0]
        close(pooling.pool_back(blame, numbers, K, S), z.grad[0, 0])


@pytest.mark.parametrize(
    "layers", [[(5, 3, 2)], [(4, 2, 0), (3, 2, 0), (3, 1, 0)], [(3, 2, 1), (2, 1, 2)]]
)
def test_predictions(layers):
    x = torch.ones(1, 1, 90, requires_grad=True)
    y = x
    for K, S, P in layers:
        y = F.conv1d(y, torch.ones(1, 1, K), None, S, P)
    seen = []
    for unit in (8, 9):  # far from the edges
        (grad,) = torch.autograd.grad(y[0, 0, unit], x, retain_graph=True)
        seen.append(grad[0, 0].nonzero()[:, 0])
    jump = int(seen[1][0] - seen[0][0])
    found = sizes.predict(90, np.array(layers))
    assert found == (y.shape[2], len(seen[0]), jump)


def test_counts():
    from seqlib.scanning import mlp_from_convs

    layers, C = [(6, 4, 2), (5, 3, 3), (2, 3, 1)], 3
    N = [C, *(units for units, _, _ in layers)]
    convs = [
        torch.nn.Conv1d(N[l], units, K, S) for l, (units, K, S) in enumerate(layers)
    ]
    pairs = [(conv.weight.detach(), conv.bias.detach()) for conv in convs]
    plain = mlp_from_convs(pairs, [S for _, _, S in layers])
    shared = sum(p.numel() for conv in convs for p in conv.parameters())
    written = sum(W.numel() + b.numel() for W, b in plain)
    assert sizes.count(C, np.array(layers)) == (shared, written)


def test_the_broken_way_back_shows_its_faults():
    """The function in the notebook is in the bank, both of its faults recognised."""
    import json
    from pathlib import Path

    path = Path(__file__).parents[1] / "exercises" / "03-cnn-by-scanning.ipynb"
    cells = json.loads(path.read_text("utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    (source,) = [text for text in sources if text.startswith("def broken(")]
    space: dict = {}
    exec("import numpy as np\n" + source, space)
    with pytest.raises(CheckError, match="Hint: Both faults are still there"):
        check("3-8", space["broken"])
