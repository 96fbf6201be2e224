"""The training loop against loops written out, torch's own, and its own promises."""

import os
import signal
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn
from torch.nn.functional import mse_loss
from torch.optim import lr_scheduler

import seqlib
from seqlib import train
from seqlib.data import Adding, adding_problem, pad
from seqlib.train import fit, seeded

rng = np.random.default_rng(0)
X = rng.normal(size=(37, 3))
Y = np.tanh(X @ rng.normal(size=(3, 2))) + 0.1 * rng.normal(size=(37, 2))
RECORDED = ("loss", "grad_norm", "lr", "validation", "validation_steps")


def small(seed=0, dropout=0.0):
    with seeded(seed):
        parts = nn.Linear(3, 5), nn.Tanh(), nn.Dropout(dropout), nn.Linear(5, 2)
        return nn.Sequential(*parts).double()


def squares(model, batch):
    x, y = batch
    return mse_loss(model(x), y)


def weights(model):
    return {k: v.clone() for k, v in model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def alike(one, other):
    """Whether two histories are the same to the last bit, seconds apart."""
    return all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in RECORDED
    )


fast = partial(fit, data=(X, Y), batch_size=8, progress=False)


# --- what a step is ------------------------------------------------------------------


def order_of(seed, epochs, size=37):
    """The order in which samples come, from the promise that the seed decides it."""
    generator = np.random.default_rng(seed)
    generator.integers(2**63)  # torch's seed
    return [generator.permutation(size) for _ in range(epochs)]


@pytest.mark.referee("seqlib.train.fit", by="torch.optim.AdamW")
def test_it_is_the_loop_one_would_write():
    ours, theirs = small(), small()
    history = fast(ours, squares, epochs=3, lr=0.02, max_norm=0.5, seed=5)
    optimiser = torch.optim.AdamW(theirs.parameters(), lr=0.02)
    losses, norms = [], []
    for order in order_of(5, 3):
        for i in range(0, 37, 8):
            x, y = (torch.tensor(a[order[i : i + 8]]) for a in (X, Y))
            optimiser.zero_grad()
            loss = ((theirs(x) - y) ** 2).mean()
            loss.backward()
            norm = sum((p.grad**2).sum() for p in theirs.parameters()) ** 0.5
            for p in theirs.parameters():
                p.grad *= min(1, 0.5 / norm.item())
            optimiser.step()
            losses.append(loss.item())
            norms.append(norm.item())
    assert min(norms) < 0.5 < max(norms)  # some were clipped, some were not
    np.testing.assert_allclose(history.loss, losses, rtol=1e-11)
    np.testing.assert_allclose(history.grad_norm, norms, rtol=1e-11)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-11, atol=1e-12)
    assert history.steps == 15
    assert history.finished
    assert history.why == "finished 15 steps"
    assert history.best_step is None
    assert (history.lr == 0.02).all()
    assert (history.seconds > 0).all()
    assert not len(history.validation)


def test_every_epoch_sees_every_sample_once():
    seen = []

    def loss(model, batch):
        seen.append(batch.numpy().copy())
        return model(batch[:, None].double().repeat(1, 3)).mean()

    fit(small(), loss, np.arange(10), epochs=3, batch_size=4, progress=False)
    assert [len(s) for s in seen] == [4, 4, 2] * 3
    epochs = np.concatenate(seen).reshape(3, 10)
    assert (np.sort(epochs) == np.arange(10)).all()
    assert len({tuple(e) for e in epochs}) == 3  # in an order of its own


def test_steps_and_epochs_are_two_words_for_one_thing():
    one, other = small(), small()
    a = fast(one, squares, epochs=2)
    b = fast(other, squares, steps=10)
    assert alike(a, b)
    assert same(weights(one), weights(other))
    assert fast(small(), squares, steps=3).steps == 3


def test_it_learns():
    history = fast(small(), squares, epochs=60, lr=0.01)
    assert history.loss[-5:].mean() < 0.1 * history.loss[:5].mean()


# --- data ----------------------------------------------------------------------------


def test_data_of_every_form_gives_the_same():
    def of_dict(model, batch):
        return squares(model, (batch["x"], batch["y"]))

    def of_pairs(pairs):
        return tuple(np.stack(column) for column in zip(*pairs, strict=True))

    forms = [
        ((X, Y), squares, None),
        ((torch.tensor(X), Y), squares, None),
        ({"x": X, "y": torch.tensor(Y)}, of_dict, None),
        (list(zip(X, Y, strict=True)), squares, of_pairs),
        (torch.utils.data.TensorDataset(*map(torch.tensor, (X, Y))), squares, of_pairs),
        ((list(X), list(Y)), squares, lambda columns: tuple(map(np.stack, columns))),
    ]
    found = []
    for data, loss, collate in forms:
        model = small()
        fit(
            model,
            loss,
            data,
            steps=7,
            batch_size=8,
            collate=collate,
            validation=data,
            progress=False,
        )
        found.append(weights(model))
    assert all(same(found[0], other) for other in found[1:])


def test_ragged_lists_are_collated():
    texts = [[1, 2, 3], [4], [5, 6], [1, 1, 1, 1]]
    labels = np.array([0.0, 1.0, 1.0, 0.0])
    table = nn.Embedding(7, 1).double()
    shapes = []

    def collate(batch):
        ids, mask = pad(batch[0])
        return ids, mask, batch[1]

    def loss(model, batch):
        ids, mask, wanted = batch
        shapes.append((tuple(ids.shape), mask.dtype, wanted.dtype))
        got = (model(ids)[..., 0] * mask).sum(1) / mask.sum(1)
        return mse_loss(got, wanted)

    h = fit(
        table,
        loss,
        (texts, labels),
        epochs=100,
        batch_size=3,
        collate=collate,
        lr=0.1,
        progress=False,
    )
    assert {s[1:] for s in shapes} == {(torch.bool, torch.float64)}
    assert {s[0][0] for s in shapes} == {1, 3}
    assert h.loss[-4:].max() < 0.01


def test_float32_is_kept_and_named_tuples_and_strings_pass():
    def loss(model, batch):
        x, names = batch
        assert x.dtype == torch.float32
        assert all(isinstance(name, str) for name in names)
        return model(x).mean()

    names = [f"sample {i}" for i in range(37)]
    data = (X.astype("f4"), names)
    fit(small().float(), loss, data, steps=2, progress=False)


def test_a_column_may_be_a_tuple_of_samples():
    def loss(model, batch):
        seen.append(batch)
        return model(torch.ones(3, dtype=torch.float64)).mean()

    seen = []
    fit(small(), loss, (("a", "b", "c"), (1.0, 2.0, 3.0)), epochs=1, progress=False)
    ((letters, numbers),) = seen
    assert sorted(zip(letters, numbers, strict=True)) == [
        ("a", 1.0),
        ("b", 2.0),
        ("c", 3.0),
    ]


def test_a_named_tuple_of_data_is_one_in_every_batch():
    def loss(model, batch):
        assert isinstance(batch, Adding)
        return mse_loss(model(batch.x.flatten(1))[:, 0], batch.y)

    data = adding_problem(20, np.random.default_rng(0), steps=4)
    fit(nn.Linear(8, 1), loss, data, epochs=1, validation=data, progress=False)


# --- chance --------------------------------------------------------------------------


def test_twice_the_same_and_the_callers_chance_is_untouched():
    torch.manual_seed(3)
    expected = torch.rand(2)
    runs = []
    for _ in "12":
        torch.manual_seed(3)
        model = small(dropout=0.5)
        history = fast(model, squares, epochs=2, seed=1, validation=(X, Y))
        assert torch.equal(torch.rand(2), expected)
        runs.append((history, weights(model)))
    assert alike(runs[0][0], runs[1][0])
    assert same(runs[0][1], runs[1][1])
    other = fast(small(dropout=0.5), squares, epochs=2, seed=2)
    assert not np.array_equal(other.loss, runs[0][0].loss)


def test_two_threads_change_nothing_but_the_rounding():
    found = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(fast(small(dropout=0.3), squares, epochs=3).loss)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(*found, rtol=1e-9)


def test_validation_takes_no_chance_from_training():
    with_dropout = partial(small, dropout=0.5)
    bare = fast(with_dropout(), squares, epochs=3)
    draws = []

    def noisy(model):
        draws.append(torch.rand(3))
        assert not model.training
        return 0.0

    watched = fast(with_dropout(), squares, epochs=3, validation=noisy)
    assert np.array_equal(bare.loss, watched.loss)
    assert all(torch.equal(draws[0], d) for d in draws)  # the same noise each time
    assert len(draws) == 3


def test_loss_may_draw_from_the_generator_that_is_given():
    def noisy(generator):
        def loss(model, batch):
            x, y = batch
            noise = torch.tensor(generator.normal(size=tuple(x.shape)))
            return squares(model, (x + noise, y))

        return loss

    def run(**options):
        g = np.random.default_rng(4)
        return fast(small(), noisy(g), seed=g, validation=(X, Y), **options)

    whole = run(steps=12)
    assert alike(whole, run(steps=12))
    assert alike(whole, run(steps=12, resume=run(steps=5, validate_every=20)))


def test_seeded_restores():
    torch.manual_seed(0)
    a = torch.rand(3)
    torch.manual_seed(0)
    with seeded(7):
        b = torch.rand(3)
    assert torch.equal(torch.rand(3), a)
    with seeded(7):
        assert torch.equal(torch.rand(3), b)
    with pytest.raises(ValueError, match="seed must be at least 0"), seeded(-1):
        pass


def test_modes_are_restored():
    model = small()
    model.eval()
    model[2].train()

    def loss(model, batch):
        assert all(m.training for m in model.modules())
        return squares(model, batch)

    fast(model, loss, steps=1)
    assert [m.training for m in model.modules()] == [False] * 3 + [True, False]


# --- rates ---------------------------------------------------------------------------


@pytest.mark.referee("seqlib.train.cosine", by="torch.optim.lr_scheduler")
def test_cosine():
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = lr_scheduler.CosineAnnealingLR(optimiser, 20, eta_min=0.1)
    ours = train.cosine(20, final=0.1)
    for step in range(21):
        assert ours(step) == pytest.approx(optimiser.param_groups[0]["lr"], abs=1e-12)
        optimiser.step()
        theirs.step()
    assert ours(1000) == pytest.approx(0.1)
    warm = train.cosine(12, warmup=4)
    assert [warm(s) for s in range(5)] == [0.25, 0.5, 0.75, 1, 1]
    assert warm(8) == pytest.approx(0.5)
    assert warm(12) == pytest.approx(0)


@pytest.mark.referee("seqlib.train.inverse_sqrt", by="by hand")
def test_inverse_sqrt_is_the_papers():
    D, warmup = 512, 4000
    ours, lr = train.inverse_sqrt(warmup), (D * warmup) ** -0.5
    for t in (1, 100, 3999, 4000, 4001, 100000):
        paper = D**-0.5 * min(t**-0.5, t * warmup**-1.5)
        assert lr * ours(t - 1) == pytest.approx(paper, rel=1e-12)
    assert max(map(ours, range(9000))) == ours(3999) == 1


def test_a_function_of_the_step_scales_every_group():
    ours, theirs = small(), small()

    def optimiser(model):
        groups = [{"params": model[0].parameters()}]
        groups += [{"params": model[3].parameters(), "lr": 0.5}]
        return torch.optim.SGD(groups, lr=0.1)

    factor = train.inverse_sqrt(4)
    one, other = optimiser(ours), optimiser(theirs)
    a = fast(ours, squares, steps=12, optimiser=one, schedule=factor)
    by_torch = lr_scheduler.LambdaLR(other, factor)
    b = fast(theirs, squares, steps=12, optimiser=other, schedule=by_torch)
    np.testing.assert_allclose(a.lr, b.lr, rtol=1e-12)
    np.testing.assert_allclose(a.lr, [0.1 * factor(s) for s in range(12)], rtol=1e-12)
    np.testing.assert_allclose(a.loss, b.loss, rtol=1e-10)
    assert [g["lr"] for g in one.param_groups] == [0.1, 0.5]  # as it was


def test_rates_are_restored_where_a_run_fails():
    def loss(model, batch):
        nonlocal count
        count += 1
        if count == 4:
            raise RuntimeError("no more")
        return squares(model, batch)

    count, model = 0, small()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(RuntimeError, match="no more"):
        fast(model, loss, steps=9, optimiser=optimiser, schedule=train.inverse_sqrt(9))
    assert optimiser.param_groups[0]["lr"] == 0.1


def test_a_plateau_lowers_the_rate():
    model = small()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=0)
    h = fast(
        model,
        squares,
        steps=6,
        optimiser=optimiser,
        schedule=schedule,
        validation=lambda model: 1.0,
        validate_every=2,
    )
    np.testing.assert_allclose(h.lr, [0.1, 0.1, 0.1, 0.1, 0.05, 0.05])


# --- validation ----------------------------------------------------------------------


def test_validation_data_is_a_mean_over_samples():
    model = small()
    h = fast(model, squares, steps=1, validation=(X[:13], Y[:13]))
    left = model(torch.tensor(X[:13]))
    assert h.validation[0] == pytest.approx(mse_loss(left, torch.tensor(Y[:13])).item())


def test_the_best_weights_come_back_and_patience_ends_the_run():
    values = iter([5.0, 3.0, float("nan"), 3.0, 2.0, 4.0, 2.0, 9.0, 0.0])
    seen = []

    def validation(model):
        seen.append(weights(model))
        return torch.tensor(next(values))

    model = small()
    h = fast(
        model,
        squares,
        steps=100,
        validation=validation,
        validate_every=3,
        patience=3,
    )
    np.testing.assert_array_equal(h.validation, [5, 3, np.nan, 3, 2, 4, 2, 9])
    np.testing.assert_array_equal(h.validation_steps, np.arange(3, 25, 3))
    assert (h.steps, h.best_step, h.finished) == (24, 15, True)
    assert same(weights(model), seen[4])
    assert not same(seen[4], seen[5])
    assert h.why == (
        "stopped after 24 steps, since 3 validations were no lower; the model has the "
        "weights of step 15, its best"
    )
    assert repr(h) == f"History: {h.why}"


def test_validation_each_epoch_and_at_the_end():
    h = fast(small(), squares, steps=12, validation=(X, Y))
    assert h.validation_steps.tolist() == [5, 10, 12]


# --- interruption --------------------------------------------------------------------


def interrupting(at, how):
    """The loss that is interrupted in step `at`."""
    count = 0

    def loss(model, batch):
        nonlocal count
        count += model.training
        value = squares(model, batch)
        if model.training and count == at:
            how()
        return value

    return loss


def raising():
    raise KeyboardInterrupt


def signalling():
    signal.raise_signal(signal.SIGINT)


def parts(kind):
    """Model, optimiser and schedule of a run, made anew."""
    model = small(dropout=0.4)
    if kind == "adamw":
        return model, None, train.cosine(23, 5)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    if kind == "sgd":
        return model, optimiser, lr_scheduler.StepLR(optimiser, 4, 0.7)
    plateau = lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=0)
    return model, optimiser, plateau


def go(kind, loss=squares, **options):
    model, optimiser, schedule = parts(kind)
    history = fast(
        model,
        loss,
        optimiser=optimiser,
        schedule=schedule,
        validation=(X[:20], Y[:20]),
        validate_every=3,
        **{"steps": 23, **options},
    )
    return history, weights(model)


@pytest.mark.parametrize("kind", ["adamw", "sgd", "plateau"])
@pytest.mark.parametrize("how", [raising, signalling])
@pytest.mark.parametrize("through", ["memory", "file"])
@pytest.mark.parametrize("at", [2, 6, 9])
def test_a_resumed_run_is_as_if_never_stopped(kind, how, through, at, tmp_path, capsys):
    whole, last = go(kind)
    path = tmp_path / "run.safetensors" if through == "file" else None
    history, _ = go(kind, interrupting(at, how), checkpoint=path)
    done = at if how is signalling else at - 1  # a signal waits for the update's end
    assert history.steps == done
    assert not history.finished
    said = f"Interrupted after {done} steps; resume= goes on from there"
    assert capsys.readouterr().out.startswith(said)
    again, now = go(kind, resume=path or history, checkpoint=path)
    assert alike(whole, again)
    assert same(last, now)
    assert again.why == whole.why
    if path:  # what stands in the file is the end, and it prolongs the run
        longer, _ = go(kind, steps=30, resume=path)
        assert np.array_equal(longer.loss[:23], whole.loss)


def test_interrupted_twice_and_prolonged():
    whole, last = go("sgd")
    history = None
    for at in (4, 1, 7, 100):
        history, now = go("sgd", interrupting(at, raising), resume=history)
    assert alike(whole, history)
    assert same(last, now)
    first = go("sgd", steps=9)[0]
    assert alike(whole, go("sgd", resume=first)[0])


def test_an_interrupted_run_keeps_the_best_weights(capsys):
    model, seen = small(), []
    values = iter([1.0, 2.0])

    def validation(model):
        seen.append(weights(model))
        return next(values)

    h = fast(
        model,
        interrupting(6, raising),
        steps=9,
        validation=validation,
        validate_every=2,
    )
    assert h.best_step == 2
    assert same(weights(model), seen[0])
    assert not same(h.state["weights"], seen[0])  # where the run goes on
    assert "the model has the weights of step 2, its best." in capsys.readouterr().out


def test_a_second_interrupt_stops_at_once_and_the_handler_comes_back():
    def twice():
        signalling()
        signalling()

    before = signal.getsignal(signal.SIGINT)
    whole, last = go("adamw")
    history, _ = go("adamw", interrupting(5, twice))
    assert history.steps == 4  # within the fifth, which is done again
    assert signal.getsignal(signal.SIGINT) is before
    again, now = go("adamw", resume=history)
    assert alike(whole, again)
    assert same(last, now)


def test_an_interrupt_in_the_middle_of_an_update_is_no_place_to_go_on_from():
    class Cut(torch.optim.SGD):
        def step(self, closure=None):
            raise KeyboardInterrupt

    model = small()
    with pytest.raises(KeyboardInterrupt):
        fast(model, squares, steps=1, optimiser=Cut(model.parameters(), lr=0.1))


def test_an_interrupted_validation_is_done_again():
    whole, _ = go("adamw")

    def run(how=None, **options):
        model, count = small(), 0

        def validation(model):
            nonlocal count
            count += 1
            if count == 2 and how:
                how()
            return mse_loss(model(torch.tensor(X)), torch.tensor(Y))

        return fast(
            model, squares, steps=9, validation=validation, validate_every=3, **options
        )

    history = run(raising)
    assert (history.steps, len(history.validation)) == (6, 1)
    assert alike(run(), run(resume=history))
    assert len(whole.validation) == 8


@pytest.mark.parametrize("bad", ["loss", "gradient"])
def test_what_is_not_finite_ends_the_run_before_the_update(bad, capsys):
    def loss(model, batch):
        nonlocal count
        count += 1
        value = squares(model, batch)
        if count == 6:
            before.append(weights(model))
            zero = model[0].weight.sum() * 0
            value = value * np.nan if bad == "loss" else value + zero.sqrt()
        return value

    count, before, model = 0, [], small()
    h = fast(model, loss, steps=9)
    noun = "loss" if bad == "loss" else "gradient's norm"
    said = capsys.readouterr().out
    assert said == f"Stopped at step 6, where the {noun} was nan.\n"
    assert same(before[0], weights(model))
    assert h.steps == 5
    assert not h.finished
    count, seen, model = 0, [], small()  # and with validation
    values = iter([1.0, 2.0, 3.0])

    def validated(model):
        seen.append(weights(model))
        return next(values)

    h = fast(model, loss, steps=9, validation=validated, validate_every=2)
    assert same(weights(model), seen[0])
    assert "where the" in h.why
    assert h.why.endswith("weights of step 2, its best")


@pytest.mark.parametrize("stop", [np.nan, KeyboardInterrupt])
def test_a_step_that_is_not_made_leaves_no_trace_in_buffers(stop, capsys):
    def model():
        with seeded(0):
            return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))

    def loss(model, batch):
        nonlocal count
        count += 1
        x, y = batch
        if count == 3:
            value = squares(model, (x * np.nan, y))  # into the running means too
            if stop is KeyboardInterrupt:
                raise stop
            return value
        return squares(model, batch)

    count, ours, theirs = 0, model().double(), model().double()
    h = fast(ours, loss, steps=6)
    assert h.steps == 2
    assert all(p.grad is None for p in ours.parameters())
    fast(theirs, squares, steps=2)
    assert same(weights(ours), weights(theirs))
    again = fast(ours, squares, steps=6, resume=h)
    assert alike(again, fast(model().double(), squares, steps=6))


# --- files ---------------------------------------------------------------------------


class Tied(nn.Module):
    def __init__(self, tied=True):
        super().__init__()
        self.table = nn.Embedding(4, 3)
        self.out = nn.Linear(3, 4, bias=False)
        if tied:
            self.out.weight = self.table.weight
        self.register_buffer("count", torch.arange(3))


def test_what_is_saved_is_loaded(tmp_path):
    path, config = tmp_path / "m.safetensors", {"layers": 2, "name": "ä", "x": [1.5]}
    one, other = small(1), small(2)
    train.save(one, path, config)
    assert train.read_config(path) == config
    assert train.load(other, path) == config
    assert same(weights(one), weights(other))
    with safe_open(path, "pt") as file:
        assert file.metadata()["seqlib"] == seqlib.__version__
        assert sorted(file.keys()) == sorted(one.state_dict())
    train.save(one, path)
    assert train.load(other, path) is None
    assert os.listdir(tmp_path) == ["m.safetensors"]  # nothing was left beside it
    assert path.stat().st_mode & 0o777 == 0o666 & ~current_umask()


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_tied_weights(tmp_path):
    path = tmp_path / "m.safetensors"
    one, other, free = Tied(), Tied(), Tied(tied=False)
    train.save(one, path)
    with safe_open(path, "pt") as file:
        assert sorted(file.keys()) == ["count", "table.weight"]
    train.load(other, path)
    assert same(weights(one), weights(other))
    assert other.out.weight is other.table.weight
    train.load(free, path)  # two weights that are equal
    assert same(weights(one), weights(free))
    assert free.out.weight is not free.table.weight
    train.save(free, path)  # stored twice, but equal
    train.load(other, path)
    with torch.no_grad():
        free.out.weight += 1
    train.save(free, path)
    before = weights(other)
    with pytest.raises(ValueError, match="one weight in the model is two in the file"):
        train.load(other, path)
    assert same(before, weights(other))


def test_views_of_one_memory_are_no_ties(tmp_path):
    class Views(nn.Module):
        def __init__(self):
            super().__init__()
            whole = torch.arange(6.0).reshape(2, 3)
            self.register_buffer("rows", whole[:1])
            self.register_buffer("turned", whole.T)
            self.register_buffer("whole", whole)

    path = tmp_path / "m.safetensors"
    train.save(Views(), path)
    other = Views()
    other.whole += 1
    train.load(other, path)
    assert same(weights(other), weights(Views()))


def test_what_does_not_fit_is_one_sentence_and_changes_nothing(tmp_path):
    path = tmp_path / "m.safetensors"

    def build(**sizes):
        return nn.ModuleDict({k: nn.Linear(*v) for k, v in sizes.items()})

    train.save(build(a=(2, 3), b=(2, 2), c=(1, 1)), path)
    model = build(a=(2, 3), b=(3, 2), d=(1, 1))
    model["a"].double()
    before = weights(model)
    with pytest.raises(ValueError, match="does not fit the model") as caught:
        train.load(model, path)
    said = str(caught.value).removeprefix(f"{path} does not fit the model: ")
    assert said == (
        "it lacks d.weight, d.bias; it has, and the model has not, c.bias, c.weight; "
        "shapes differ in b.weight (the model's (2, 3), the file's (2, 2)); types "
        "differ in a.weight (the model's float64, the file's float32), a.bias (the "
        "model's float64, the file's float32)"
    )
    assert same(before, weights(model))
    many = build(**{f"l{i}": (1, 1) for i in range(9)})
    with pytest.raises(ValueError, match=r"it lacks l0.weight, .* and 10 more; it has"):
        train.load(many, path)


def test_a_foreign_file_will_do(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "m.safetensors"
    save_file(small(3).state_dict(), path)
    model = small(4)
    assert train.load(model, path) is None
    assert same(weights(model), weights(small(3)))


@pytest.mark.parametrize("config", [{1: 2}, {"sizes": (3, 4)}])
def test_a_config_comes_back_as_it_was_or_is_not_saved(config, tmp_path):
    with pytest.raises(TypeError, match=r"config must be .* which JSON would make"):
        train.save(small(), tmp_path / "m.safetensors", config)
    assert not list(tmp_path.iterdir())


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none"):
        train.load(small(), tmp_path / "none")
    bad = tmp_path / "bad"
    bad.write_bytes(b"\x80\x04pickle, perhaps")
    with pytest.raises(ValueError, match="bad must be a safetensors file, and is none"):
        train.load(small(), bad)
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*none to write"):
        train.save(small(), tmp_path / "none" / "m")
    with pytest.raises(TypeError, match="config must be numbers, strings, lists and"):
        train.save(small(), tmp_path / "m", {"a": {1, 2}})
    with pytest.raises(TypeError, match=r"model must be a torch.nn.Module, got dict"):
        train.save({}, tmp_path / "m")
    with pytest.raises(TypeError, match=r"model must be a torch.nn.Module, got dict"):
        train.load({}, bad)
    train.save(small(), tmp_path / "m")
    with pytest.raises(ValueError, match="resume must be a checkpoint of fit, and"):
        fast(small(), squares, steps=1, resume=tmp_path / "m")


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    train.save(small(1), path)
    before = path.read_bytes()

    def fails(*args, **options):
        raise OSError("no space left")

    monkeypatch.setattr("safetensors.torch.save_file", fails)
    with pytest.raises(OSError, match="no space left"):
        train.save(small(2), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.safetensors"]


def test_training_without_files_needs_torch_alone():
    code = """
import sys
sys.modules["safetensors"] = None  # it cannot be imported
import torch
from seqlib import train
model = torch.nn.Linear(1, 1)
train.fit(model, lambda m, x: m(x).square().mean(), torch.ones(4, 1), steps=2)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_checkpoint_holds_any_generator_and_another_process_goes_on(tmp_path):
    path = tmp_path / "run"

    def run(steps, **options):
        g = np.random.Generator(np.random.MT19937(3))
        model = small(dropout=0.3)
        h = fast(model, squares, steps=steps, seed=g, validation=(X, Y), **options)
        return h, weights(model)

    whole, last = run(14)
    run(6, validate_every=100, checkpoint=path)
    again, now = run(14, resume=path)
    assert np.array_equal(again.loss, whole.loss)
    assert again.state["weights"].keys() == whole.state["weights"].keys()
    assert same(again.state["weights"], whole.state["weights"])
    assert same(last, now)


# --- what is seen --------------------------------------------------------------------


def test_nothing_is_printed_where_nobody_looks(capsys):
    fit(small(), squares, (X, Y), epochs=2)
    assert capsys.readouterr() == ("", "")
    fit(small(), squares, (X, Y), epochs=2, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "4/4" in err
    assert "loss=" in err


def test_a_program_without_a_terminal_trains(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)  # as under pythonw
    assert fit(small(), squares, (X, Y), steps=2).finished


def test_a_stored_notebook_holds_no_trace_of_the_bar():
    import nbformat
    from nbclient import NotebookClient

    code = (
        "import torch\n"
        "from seqlib.train import fit\n"
        "model = torch.nn.Linear(1, 1)\n"
        "loss = lambda model, x: model(x).square().mean()\n"
        "print('before')\n"
        "fit(model, loss, torch.ones(3, 1), steps=3)"
    )
    cells = [nbformat.v4.new_code_cell(code)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown = [o.get("data") or o.get("text") for o in cells[0].outputs]
    assert shown == [
        "before\n",
        {"text/plain": "", "text/html": ""},
        {"text/plain": "History: finished 3 steps"},
    ]


def test_import_needs_no_optional_library_but_its_own():
    code = (
        "import sys\n"
        "for m in 'matplotlib IPython scipy pandas sklearn'.split():\n"
        "    sys.modules[m] = None\n"
        "import seqlib.train"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- wrong arguments -----------------------------------------------------------------

frozen = small().requires_grad_(False)
other = torch.optim.SGD(small(9).parameters(), lr=0.1)
foreign = lr_scheduler.StepLR(other, 3)
WRONG = {
    "no module": (
        {"model": {}},
        TypeError,
        "model must be a torch.nn.Module, got dict",
    ),
    "nothing to train": (
        {"model": frozen},
        ValueError,
        "model must have parameters to train, got none",
    ),
    "no loss": ({"loss": None}, TypeError, "loss must be a function, got NoneType"),
    "loss of (2,)": (
        {"loss": lambda m, b: m(b[0]).mean(0)},
        ValueError,
        r"loss must return a tensor of shape \(\), got shape \(2,\)",
    ),
    "loss a number": (
        {"loss": lambda m, b: 3.0},
        ValueError,
        r"loss must return a tensor of shape \(\), got float",
    ),
    "loss of nothing": (
        {"loss": lambda m, b: torch.tensor(1.0)},
        ValueError,
        "loss must depend on the model's parameters, and does not",
    ),
    "loss of others": (
        {"loss": lambda m, b: torch.ones(1, requires_grad=True).sum()},
        ValueError,
        "loss must depend on the model's parameters, and does not",
    ),
    "empty": (
        {"data": X[:0]},
        ValueError,
        "data must hold at least one sample, got none",
    ),
    "empty tuple": (
        {"data": ()},
        ValueError,
        "data must hold at least one array, got none",
    ),
    "a number": (
        {"data": 3},
        TypeError,
        "data must be an array, a tensor or a list of samples, got int",
    ),
    "no axis": (
        {"data": np.array(3.0)},
        ValueError,
        r"data must hold samples along its first axis, got shape \(\)",
    ),
    "unequal": (
        {"data": (X, Y[:5])},
        ValueError,
        r"data\[1\] must hold 37 samples as data\[0\] does, got 5",
    ),
    "batch 0": ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
    "batch 2.5": (
        {"batch_size": 2.5},
        TypeError,
        "batch_size must be a whole number, got 2.5",
    ),
    "collate": ({"collate": 3}, TypeError, "collate must be a function, got int"),
    "neither": (
        {"steps": None},
        ValueError,
        "one of epochs and steps must be given, got none",
    ),
    "both": (
        {"epochs": 2},
        ValueError,
        "one of epochs and steps must be given, got both",
    ),
    "steps 0": ({"steps": 0}, ValueError, "steps must be at least 1, got 0"),
    "seed": (
        {"seed": "x"},
        TypeError,
        "seed must be a whole number or a numpy generator, got 'x'",
    ),
    "seed -1": ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
    "lr": ({"lr": -1}, ValueError, "lr must be at least 0, got -1"),
    "optimiser": (
        {"optimiser": "adam"},
        TypeError,
        "optimiser must be a torch.optim.Optimizer, got str",
    ),
    "another's": (
        {"optimiser": other},
        ValueError,
        "optimiser must hold parameters of the model, got none",
    ),
    "two rates": (
        {"optimiser": other, "lr": 0.1},
        ValueError,
        "lr must be None where an optimiser is given, got 0.1",
    ),
    "schedule": (
        {"schedule": 0.5},
        TypeError,
        "schedule must be a function of the step or a torch scheduler, got float",
    ),
    "another's schedule": (
        {"schedule": foreign},
        ValueError,
        "schedule must be one of the optimiser given, got one of another",
    ),
    "negative": (
        {"schedule": lambda step: -1.0},
        ValueError,
        r"schedule\(0\) must be at least 0, got -1.0",
    ),
    "max_norm": ({"max_norm": -1}, ValueError, "max_norm must be at least 0, got -1"),
    "validation": (
        {"validation": (X, Y[:1])},
        ValueError,
        r"validation\[1\] must hold 37 samples",
    ),
    "validation's": (
        {"validation": lambda model: "low"},
        TypeError,
        "validation must return a number, got str",
    ),
    "patience": (
        {"patience": 3},
        ValueError,
        "patience needs validation, which is None",
    ),
    "every 0": (
        {"validation": (X, Y), "validate_every": 0},
        ValueError,
        "validate_every must be at least 1, got 0",
    ),
    "checkpoint": ({"checkpoint": 3}, TypeError, "checkpoint must be a path, got int"),
    "no folder": (
        {"checkpoint": "no/such/file"},
        FileNotFoundError,
        "there is no folder no/such to write to",
    ),
    "resume": (
        {"resume": 3},
        TypeError,
        "resume must be a History or the path of a checkpoint, got int",
    ),
    "progress": (
        {"progress": "yes"},
        TypeError,
        "progress must be True, False or None, got 'yes'",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_kind_errors(case):
    changed, error, sentence = WRONG[case]
    model = small()
    given = {"model": model, "loss": squares, "data": (X, Y), "steps": 2}
    before = weights(model)
    with pytest.raises(error, match=sentence):
        fit(**{**given, **changed})
    if case == "validation's":  # is known after the first epoch alone
        return
    assert same(before, weights(model))


def test_a_run_is_resumed_with_what_it_began_with():
    h = fast(small(), squares, steps=2)
    cases = {
        "data must be 37 samples as in the run to resume, got 36": {
            "data": (X[1:], Y[1:])
        },
        "batch_size must be 8 as in the run to resume, got 4": {"batch_size": 4},
        r"lr must be \[0.001\] as in the run to resume, got \[0.1\]": {"lr": 0.1},
        "validation must be None as in the run to resume, got some": {
            "validation": (X, Y)
        },
    }
    for sentence, changed in cases.items():
        with pytest.raises(ValueError, match=sentence):
            fast(small(), squares, steps=4, resume=h, **changed)
    wide = nn.Sequential(nn.Linear(3, 9), nn.Tanh(), nn.Dropout(0), nn.Linear(9, 2))
    optimiser = torch.optim.AdamW(wide.double().parameters(), lr=0.001)
    with pytest.raises(ValueError, match="run to resume does not fit the model: shape"):
        fast(wide, squares, steps=4, resume=h, optimiser=optimiser)
    assert not optimiser.state_dict()["state"]
    model = small()
    two = [{"params": model[0].parameters()}, {"params": model[3].parameters()}]
    two = torch.optim.AdamW(two, lr=0.001)
    before = weights(model)
    with pytest.raises(ValueError, match="lr must be"):
        fast(model, squares, steps=4, resume=h, optimiser=two)
    part = torch.optim.AdamW(model[0].parameters(), lr=0.001)
    with pytest.raises(ValueError, match="optimiser must be as in the run to resume"):
        fast(model, squares, steps=4, resume=h, optimiser=part)
    assert same(before, weights(model))
    other = torch.optim.SGD(model.parameters(), lr=0.001)
    with pytest.raises(ValueError, match="optimiser must be AdamW as in the run to re"):
        fast(model, squares, steps=4, resume=h, optimiser=other)
    twister = np.random.Generator(np.random.MT19937(0))
    with pytest.raises(ValueError, match="seed must be a number or a generator of"):
        fast(model, squares, steps=4, resume=h, seed=twister)
    assert same(before, weights(model))
    for kind in ("sgd", "plateau"):
        model, optimiser, schedule = parts(kind)
        with pytest.raises(
            ValueError, match="schedule must be a function or None as in the run to re"
        ):
            fast(
                model,
                squares,
                steps=4,
                resume=h,
                optimiser=optimiser,
                schedule=schedule,
                validation=(X, Y),
            )
