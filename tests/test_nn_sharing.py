"""Parameters that stand in a module under two names: each use of them counts."""

import pytest
import torch
from comparing import close

from seqlib import nn

IDS = torch.tensor([[1, 4, 2], [3, 3, 0]])
WAYS = ("hand", "autograd")
LIKE = {"dtype": torch.float64}


def _gpt(**options):
    config = nn.GPTConfig(7, 4, 2, 2, 4, dropout=0.0)
    return nn.GPT(config, **options, **LIKE)


def _bert(**options):
    config = nn.BERTConfig(7, 4, 2, 2, 4, dropout=0.0)
    return nn.BERT(config, **options, **LIKE)


def _transformer(**options):
    return nn.Seq2SeqTransformer(7, 4, 2, 2, 2, 5, 0.0, **options, **LIKE)


def _seq2seq(**options):
    return nn.Seq2Seq(7, 7, 3, 3, **options, **LIKE)


def _layer(**options):
    return nn.TransformerEncoderLayer(4, 2, 4, 0.0, **options, **LIKE)


def _share_blocks(model, blocks):
    at = model.get_submodule(blocks)
    at[0] = at[1]
    return f"{blocks}.0.", f"{blocks}.1."


def _share_embeddings(model):
    model.encoder.embedding.weight = model.decoder.embedding.weight
    return "encoder.embedding.", "decoder.embedding."


def _share_matrix(model):
    model.linear1.weight = model.linear2.weight
    return "linear1.weight", "linear2.weight"


X = torch.linspace(-1, 1, 24, **LIKE).reshape(2, 3, 4).sin()
SHARED = {
    "GPT": (_gpt, lambda m: _share_blocks(m, "blocks"), (IDS,)),
    "BERT": (_bert, lambda m: _share_blocks(m, "blocks"), (IDS,)),
    "encoder": (_transformer, lambda m: _share_blocks(m, "encoder.layers"), (IDS, IDS)),
    "decoder": (_transformer, lambda m: _share_blocks(m, "decoder.layers"), (IDS, IDS)),
    "Seq2Seq": (_seq2seq, _share_embeddings, (IDS, IDS)),
    "layer": (_layer, _share_matrix, (X,)),
}


def _first(out):
    return out[0] if isinstance(out, tuple) else out


@pytest.mark.parametrize("backward", WAYS)
@pytest.mark.parametrize("name", SHARED)
def test_what_is_shared_is_used_twice(name, backward):
    make, share, inputs = SHARED[name]
    torch.manual_seed(0)
    model, apart = make(backward=backward), make(backward=backward)
    for p in model.parameters():
        p.data.normal_(0, 0.5)
    first, second = share(model)
    apart.load_state_dict(model.state_dict())  # two copies with the same values
    ours, theirs = _first(model(*inputs)), _first(apart(*inputs))
    close(ours.detach(), theirs.detach())
    dout = torch.randn_like(ours)
    ours.backward(dout)
    theirs.backward(dout)
    grads = {n: p.grad for n, p in apart.named_parameters() if p.grad is not None}
    for n, p in model.named_parameters(remove_duplicate=False):
        if p.grad is None:
            continue
        wanted = grads[n]
        for here, there in ((first, second), (second, first)):
            if n.startswith(here):
                wanted = wanted + grads[there + n.removeprefix(here)]
        close(p.grad, wanted)


@pytest.mark.parametrize("cache", [True, False])
def test_a_gpt_of_one_block_used_twice_generates(cache):
    torch.manual_seed(0)
    model, apart = _gpt(), _gpt()
    for p in model.parameters():
        p.data.normal_(0, 0.5)
    _share_blocks(model, "blocks")
    apart.load_state_dict(model.state_dict())
    ours, theirs = (m.generate(IDS, 2, cache=cache) for m in (model, apart))
    assert torch.equal(ours[0], theirs[0])
    close(ours[1], theirs[1])


def test_translation_with_one_layer_used_twice_generates():
    torch.manual_seed(0)
    model, apart = _transformer(), _transformer()
    _share_blocks(model, "decoder.layers")
    apart.load_state_dict(model.state_dict())
    ours, theirs = (m.generate(IDS, 1, None, 3) for m in (model, apart))
    assert torch.equal(ours[0], theirs[0])
    close(ours[1], theirs[1])
