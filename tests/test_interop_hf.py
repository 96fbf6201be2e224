"""Models of Hugging Face with random weights, offline: the same numbers from ours."""

import re

import pytest
import torch
from comparing import close

from seqlib.interop import from_hf
from seqlib.nn import GPT, BERTClassifier, BERTTagger, GPTConfig

tf = pytest.importorskip("transformers")

IDS = torch.tensor(
    [[3, 1, 4, 1, 5, 9, 2], [6, 5, 3, 5, 8, 9, 7], [9, 3, 2, 3, 8, 4, 6]]
)
REAL = torch.ones(3, 7, dtype=torch.long)
REAL[0, :3] = 0  # padded on the left
REAL[1, 5:] = 0  # padded on the right
TYPES = torch.tensor([[0, 0, 1, 1, 0, 1, 1]]).repeat(3, 1)
EAGER = {"attn_implementation": "eager"}


def strong(model):
    """Return the model in float64 with weights large enough for a mistake to show."""
    generator = torch.Generator().manual_seed(0)
    model = model.double().eval()
    for p in model.parameters():
        p.data.normal_(0, 0.5, generator=generator)
    return model


def gpt2(kind="GPT2LMHeadModel", **changes):
    sizes = {"vocab_size": 11, "n_positions": 16, "n_embd": 12, "n_layer": 3}
    sizes |= {"n_head": 3, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 10}
    config = tf.GPT2Config(**{**sizes, **EAGER, **changes})
    return strong(getattr(tf, kind)(config))


def bert(kind="BertModel", **changes):
    sizes = {"vocab_size": 11, "max_position_embeddings": 16, "hidden_size": 12}
    sizes |= {"num_hidden_layers": 3, "num_attention_heads": 3, "num_labels": 5}
    config = tf.BertConfig(intermediate_size=20, **{**sizes, **EAGER, **changes})
    return strong(getattr(tf, kind)(config))


def all_close(ours, theirs):
    """Assert equality to 1e-10, of what has a time axis at the real places."""
    ours = ours if isinstance(ours, tuple) else (ours,)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        some = REAL.bool() if a.ndim == 3 else slice(None)
        close(a[some], b[some].detach(), 1e-10)


@pytest.mark.referee("seqlib.nn.GPT", by="Hugging Face GPT2LMHeadModel")
@pytest.mark.referee("seqlib.interop.from_hf", by="Hugging Face GPT2LMHeadModel")
@pytest.mark.parametrize("kind", ["GPT2LMHeadModel", "GPT2Model"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"activation_function": "relu", "n_inner": 7, "layer_norm_epsilon": 0.1},
        {"tie_word_embeddings": False, "activation_function": "gelu"},
        {"n_head": 12, "activation_function": "gelu_pytorch_tanh"},
        {"activation_function": "silu"},
    ],
)
def test_gpt2(kind, changes):
    theirs = gpt2(kind, **changes)
    ours = from_hf(theirs)
    all_close(ours(IDS), theirs(IDS).to_tuple()[:1])
    wanted = theirs(IDS, attention_mask=REAL, output_hidden_states=True)
    all_close(ours(IDS, attention_mask=REAL), wanted.to_tuple()[:1])
    all_close(ours.hidden(IDS, REAL), wanted.hidden_states[-1:])
    places = (REAL.cumsum(1) - 1).clamp(min=0)
    wanted = theirs(IDS, attention_mask=REAL, position_ids=places)
    all_close(ours(IDS, REAL, position_ids=places), wanted.to_tuple()[:1])
    own = "lm_head.weight" in ours.state_dict()
    assert own == (kind == "GPT2LMHeadModel" and "tie_word_embeddings" in changes)


@pytest.mark.referee("seqlib.nn.BERT", by="Hugging Face BertModel")
@pytest.mark.referee("seqlib.transformer.bert", by="Hugging Face BertModel")
@pytest.mark.referee(
    "seqlib.transformer.masked_lm_head", by="Hugging Face BertForMaskedLM"
)
@pytest.mark.referee(
    "seqlib.transformer.classification_head",
    by="Hugging Face BertForTokenClassification",
)
@pytest.mark.parametrize(
    "kind",
    [
        "BertModel",
        "BertForMaskedLM",
        "BertForPreTraining",
        "BertForSequenceClassification",
        "BertForTokenClassification",
    ],
)
@pytest.mark.parametrize(
    "changes",
    [{}, {"hidden_act": "gelu_new", "layer_norm_eps": 0.1, "type_vocab_size": 4}],
)
def test_bert(kind, changes):
    theirs = bert(kind, **changes)
    ours = from_hf(theirs)
    all_close(ours(IDS), theirs(IDS).to_tuple())
    given = {"attention_mask": REAL, "token_type_ids": TYPES}
    all_close(ours(IDS, **given), theirs(IDS, **given).to_tuple())
    for model in (ours, theirs):  # their weights, and all of them
        model.count = sum(p.numel() for p in model.parameters())
    assert ours.count == theirs.count


def test_a_bert_of_one_block_used_three_times():
    theirs = bert()
    theirs.encoder.layer[0] = theirs.encoder.layer[1] = theirs.encoder.layer[2]
    all_close(from_hf(theirs)(IDS, REAL), theirs(IDS, REAL).to_tuple())


def test_a_bert_without_a_pooler():
    theirs = strong(tf.BertModel(bert().config, add_pooling_layer=False))
    hidden, pooled = from_hf(theirs)(IDS, REAL)
    assert pooled is None
    all_close(hidden, theirs(IDS, attention_mask=REAL).to_tuple()[:1])


@pytest.mark.referee("seqlib.transformer.gpt_backward", by="Hugging Face GPT2Model")
@pytest.mark.referee("seqlib.transformer.bert_backward", by="Hugging Face BertModel")
@pytest.mark.referee(
    "seqlib.transformer.masked_lm_head_backward", by="Hugging Face BertForPreTraining"
)
@pytest.mark.parametrize("make", [gpt2, lambda: bert("BertForPreTraining")])
def test_gradients(make):
    """Autograd through theirs, read in as a model is, is what ours sends back."""
    theirs = make()
    ours = from_hf(theirs)
    given = {"attention_mask": REAL}
    outs = ours(IDS, **given)
    outs = outs if isinstance(outs, tuple) else (outs,)
    wanted = theirs(IDS, **given).to_tuple()[: len(outs)]
    places = REAL[:, :, None]  # at padding the two differ, and that is as well
    generator = torch.Generator().manual_seed(1)
    for mine, other in zip(outs, wanted, strict=True):
        dout = torch.randn(mine.shape, generator=generator, dtype=mine.dtype)
        dout = dout * places if mine.ndim == 3 else dout
        (mine * dout).sum().backward(retain_graph=True)
        (other * dout).sum().backward(retain_graph=True)
    for p in theirs.parameters():
        p.data = p.grad.clone()
    table = theirs.get_input_embeddings()
    rights = from_hf(theirs).state_dict()
    for name, p in ours.named_parameters():
        rows = slice(None)
        if name.endswith("word_embeddings.weight") and table.padding_idx is not None:
            rows = torch.arange(len(p)) != table.padding_idx  # theirs gets a part only
        close(p.grad[rows], rights[name][rows], 1e-10, 1 + rights[name].abs().max())


def test_weights_are_copied_and_the_manner_is_kept():
    theirs = gpt2().float().train()
    ours = from_hf(theirs)
    assert ours.training
    assert ours.wte.weight.dtype == torch.float32
    before = ours.eval()(IDS)
    for p in theirs.parameters():
        p.data.zero_()
    assert torch.equal(ours(IDS), before)
    theirs = bert("BertForSequenceClassification", classifier_dropout=0.25)
    ours = from_hf(theirs)
    assert not ours.training
    assert (type(ours), ours.dropout) == (BERTClassifier, 0.25)
    assert type(from_hf(bert("BertForTokenClassification"))) is BERTTagger


# --- generating -----------------------------------------------------------------------

PROMPT = torch.tensor([[10, 10, 3, 4], [1, 2, 3, 4]])
MASK = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])
QUIET = {"return_dict_in_generate": True, "output_scores": True}


@pytest.mark.referee("seqlib.nn.GPT.generate", by="Hugging Face generate")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("cache", [True, False])
def test_greedy(seed, cache):
    torch.manual_seed(seed)
    theirs = gpt2()
    for p in theirs.parameters():
        p.data = p.data + torch.randn_like(p) / 3
    tokens, scores = from_hf(theirs).generate(PROMPT, 12, 0, MASK, cache=cache)
    wanted = theirs.generate(
        PROMPT, attention_mask=MASK, max_new_tokens=12, do_sample=False, **QUIET
    )
    right = wanted.sequences[:, 4:]
    right = torch.where(right == 10, 0, right)  # ours fills up with the end
    assert torch.equal(tokens, right)
    steps = torch.stack(wanted.scores, 1).log_softmax(-1)
    each = steps.gather(-1, right[..., None])[..., 0]
    ended = (right == 0).cumsum(1) - (right == 0).long() > 0
    close(scores, each.masked_fill(ended, 0).sum(1), 1e-6)  # theirs are float32


@pytest.mark.referee("seqlib.nn.GPT.generate", by="Hugging Face generate")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_beam_search(seed, penalty):
    torch.manual_seed(seed)
    theirs = gpt2()
    for p in theirs.parameters():
        p.data = p.data + torch.randn_like(p) / 3
    options = {"width": 3, "length_penalty": penalty, "early_stopping": False}
    tokens, scores = from_hf(theirs).generate(PROMPT, 8, 0, MASK, "beam", **options)
    wanted = theirs.generate(
        PROMPT,
        attention_mask=MASK,
        max_new_tokens=8,
        do_sample=False,
        num_beams=3,
        num_return_sequences=3,
        length_penalty=penalty,
        early_stopping=False,
        **QUIET,
    )
    right = wanted.sequences[:, 4:].reshape(2, 3, -1)
    n = min(right.shape[-1], tokens.shape[-1])
    assert torch.equal(tokens[..., :n], torch.where(right == 10, 0, right)[..., :n])
    close(scores.flatten(), wanted.sequences_scores, 1e-6)  # theirs are float32


# --- counts ---------------------------------------------------------------------------


@pytest.mark.referee("seqlib.nn.GPT", by="Hugging Face GPT2LMHeadModel")
@pytest.mark.parametrize("name", ["gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"])
def test_counts_are_those_of_hugging_face(name):
    config = GPTConfig.of(name)
    sizes = {"n_embd": config.d_model, "n_layer": config.num_layers}
    with torch.device("meta"):
        theirs = tf.GPT2LMHeadModel(tf.GPT2Config(n_head=config.num_heads, **sizes))
    ours = GPT(config, device="meta")
    counts = [sum(p.numel() for p in m.parameters()) for m in (ours, theirs)]
    assert counts[0] == counts[1]


# --- refusals -------------------------------------------------------------------------


class GPT2LMHeadModel(torch.nn.Module):
    """Only the name is right."""


REFUSED = [
    (lambda: gpt2(scale_attn_weights=False), "scale_attn_weights must be True, got F"),
    (
        lambda: gpt2(scale_attn_by_inverse_layer_idx=True),
        "scale_attn_by_inverse_layer_idx must be False, got True",
    ),
    (
        lambda: gpt2(reorder_and_upcast_attn=True),
        "reorder_and_upcast_attn must be False, got True",
    ),
    (
        lambda: gpt2(add_cross_attention=True),
        "add_cross_attention must be False, got True",
    ),
    (
        lambda: gpt2(activation_function="mish"),
        "activation_function must be one of 'relu', 'gelu', 'gelu_new', ",
    ),
    (lambda: bert(hidden_act="relu"), "hidden_act must be one of 'gelu', 'gelu_new', "),
    (lambda: bert(is_decoder=True), "is_decoder must be False, got True"),
    (
        lambda: bert("BertForMaskedLM", tie_word_embeddings=False),
        "tie_word_embeddings must be True, got False",
    ),
    (
        lambda: bert("BertForQuestionAnswering"),
        "model must be one of GPT2LMHeadModel, ",
    ),
    (GPT2LMHeadModel, "model must be one of GPT2LMHeadModel, GPT2Model, BertModel, "),
    (lambda: "gpt2", "model must be one of GPT2LMHeadModel, GPT2Model, BertModel, "),
]


@pytest.mark.parametrize(("make", "sentence"), REFUSED)
def test_what_ours_lack_is_refused_by_name(make, sentence):
    model = make()
    with pytest.raises((TypeError, ValueError), match="^" + re.escape(sentence)) as e:
        from_hf(model)
    assert "\n" not in str(e.value)


def test_other_positions_are_refused():
    model = bert()
    model.config.position_embedding_type = "relative_key"
    with pytest.raises(
        ValueError, match=r"^position_embedding_type must be 'absolute'"
    ):
        from_hf(model)
