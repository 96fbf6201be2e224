"""Marian and BART of Hugging Face against ours, with random weights, offline."""

import numpy as np
import pytest
import torch
from comparing import close
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
)

from seqlib.interop import from_hf, from_torch
from seqlib.transformer import seq2seq_transformer

PAD, BOS, EOS = 0, 1, 2
SIZES = {
    "vocab_size": 23,
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 12,
    "decoder_ffn_dim": 12,
    "max_position_embeddings": 20,
    "pad_token_id": PAD,
    "bos_token_id": BOS,
    "eos_token_id": EOS,
    "decoder_start_token_id": BOS,
    "forced_eos_token_id": None,
    "dropout": 0.0,
    "attn_implementation": "eager",
}
MARIAN, BART = (MarianConfig, MarianMTModel), (BartConfig, BartForConditionalGeneration)
MODELS = {
    "Marian": (*MARIAN, {"activation_function": "swish", "scale_embedding": True}),
    "Marian, two vocabularies": (
        *MARIAN,
        {
            "activation_function": "swish",
            "share_encoder_decoder_embeddings": False,
            "decoder_vocab_size": 19,
        },
    ),
    "BART": (*BART, {"activation_function": "gelu"}),
    "BART, scaled": (
        *BART,
        {"activation_function": "gelu_new", "scale_embedding": True},
    ),
    "BART, untied": (
        *BART,
        {"activation_function": "relu", "tie_word_embeddings": False},
    ),
}


def build(name, seed=0, **more):
    """Return the model of Hugging Face, all that is learned drawn anew, in float64.

    Drawn so that what comes out depends much on what goes in.
    """
    config, kind, options = MODELS[name]
    torch.manual_seed(seed)
    model = kind(config(**{**SIZES, **options, **more})).double().eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.requires_grad:
                gain = (
                    0.1
                    if p.ndim == 1
                    else 0.4
                    if "tokens" in name or "shared" in name
                    else 1
                )
                p.normal_("norm" in name and name.endswith("weight"), gain)
        model.final_logits_bias.normal_(0, 0.4)
    return model


def batch(seed=0, V=19):
    """Return ids and masks; a source is padded in front, all else at the end."""
    rng = np.random.default_rng(seed)
    ids, decoder_ids = rng.integers(3, V, (3, 6)), rng.integers(3, V, (3, 5))
    decoder_ids[:, 0] = BOS
    mask, decoder_mask = np.ones((3, 6), int), np.ones((3, 5), int)
    mask[1, 4:], mask[2, :2], decoder_mask[0, 3:], decoder_mask[2, 2:] = 0, 0, 0, 0
    ids[mask == 0], decoder_ids[decoder_mask == 0] = PAD, PAD
    return [torch.tensor(a) for a in (ids, decoder_ids, mask, decoder_mask)]


def both(theirs, ours, ids, decoder_ids, mask, decoder_mask):
    named = {"attention_mask": mask, "decoder_attention_mask": decoder_mask}
    logits = theirs(input_ids=ids, decoder_input_ids=decoder_ids, **named).logits
    return ours(ids, decoder_ids, **named), logits


@pytest.mark.referee(
    "seqlib.nn.Seq2SeqTransformer",
    "seqlib.transformer.seq2seq_transformer",
    by="Hugging Face MarianMTModel and BartForConditionalGeneration",
)
@pytest.mark.parametrize("name", MODELS)
def test_logits_and_gradients_are_hugging_faces(name):
    theirs = build(name)
    ours = from_hf(theirs)
    found, wanted = both(theirs, ours, *batch())
    assert wanted.abs().max() > 1
    close(found, wanted, 1e-10)
    dout = torch.linspace(-1, 2, found.numel()).view_as(found).double().sin()
    (found * dout).sum().backward()
    (wanted * dout).sum().backward()
    ours_by_name, n = dict(ours.named_parameters()), 0
    for their_name, p in theirs.named_parameters():
        if p.grad is None:
            continue
        their_name = their_name.removeprefix("model.")
        mine = ours_by_name.get(their_name.replace("fc", "linear"))
        if mine is None or mine.shape != p.shape or "final_layer" in their_name:
            continue
        found, wanted = mine.grad, p.grad
        if "shared" in their_name or "embed_tokens" in their_name:
            found, wanted = found[1:], wanted[1:]  # padding learns nothing, there
        close(found, wanted, 1e-9, max(float(wanted.abs().max()), 1e-3))
        n += 1
    assert n > 10
    frozen = {k for k, p in ours_by_name.items() if not p.requires_grad}
    tables = {f"{side}.embed_positions.weight" for side in ("encoder", "decoder")}
    assert frozen == {"final_logits_bias"} | (tables if "Marian" in name else set())


@pytest.mark.parametrize("name", MODELS)
def test_the_array_function_takes_the_parameters(name):
    theirs = build(name, 1)
    ours = from_hf(theirs)
    ids, decoder_ids, mask, _ = batch(1)
    logits, _ = seq2seq_transformer(
        ids.numpy(),
        decoder_ids.numpy(),
        from_torch(ours),
        key_mask=mask.bool().numpy(),
        **ours.options,
    )
    wanted = theirs(input_ids=ids, decoder_input_ids=decoder_ids, attention_mask=mask)
    close(logits, wanted.logits, 1e-10)


def test_marians_sinusoids_are_ours_in_halves():
    theirs = build("Marian")
    ours = from_hf(theirs)
    params = from_torch(ours)
    ids, decoder_ids, mask, decoder_mask = batch()
    bare = {k: a for k, a in params.items() if "embed_positions" not in k}
    options = {**ours.options, "layout": "halves"}
    real = [m.bool().numpy() for m in (mask, decoder_mask)]
    tokens = ids.numpy(), decoder_ids.numpy()
    logits, _ = seq2seq_transformer(*tokens, bare, key_mask=real[0], **options)
    with torch.no_grad():
        wanted = ours(ids, decoder_ids, mask)
    close(logits, wanted, 1e-5)  # theirs are rounded to float32
    options["layout"] = "interleaved"
    other, _ = seq2seq_transformer(*tokens, bare, key_mask=real[0], **options)
    assert np.abs(other - logits).max() > 1e-3


@pytest.mark.referee(
    "seqlib.nn.Seq2SeqTransformer",
    "seqlib.transformer.seq2seq_transformer_step",
    by="Hugging Face generate",
)
@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("name", MODELS)
def test_what_is_generated_and_its_score_are_hugging_faces(name, width, length_penalty):
    theirs = build(name, 1)
    ours = from_hf(theirs)
    ids, _, mask, _ = batch(1)
    longest = 7
    with torch.no_grad():
        made = theirs.generate(
            input_ids=ids,
            attention_mask=mask,
            num_beams=width,
            num_return_sequences=width,
            max_new_tokens=longest,
            do_sample=False,
            length_penalty=length_penalty,
            early_stopping="never" if width > 1 else False,
            bad_words_ids=[[PAD]],
            output_scores=True,
            return_dict_in_generate=True,
        )
    options = {"width": width, "length_penalty": length_penalty, "suppress": [PAD]}
    tokens, scores = ours.generate(ids, BOS, EOS, longest, mask, **options)
    wanted = made.sequences[:, 1:].reshape(3, width, -1)
    wanted = torch.where(wanted == PAD, EOS, wanted)
    assert torch.equal(tokens, wanted)
    assert scores[:, 0].std() > 0.01  # the source matters
    if width > 1:  # there in float32, whatever the model's type
        close(scores, made.sequences_scores.reshape(3, width), 1e-6)


def test_what_the_copy_keeps():
    theirs = build("BART").float().train()
    ours = from_hf(theirs)
    assert ours.training
    assert {p.dtype for p in ours.parameters()} == {torch.float32}
    with torch.no_grad():
        theirs.model.shared.weight.zero_()
    assert ours.shared.weight.abs().max() > 0
    count = sum(p.numel() for p in theirs.parameters())
    unread = 2 * 2 * SIZES["d_model"]  # two rows of positions on each side
    mine = sum(p.numel() for p in ours.parameters() if p.requires_grad)
    assert mine == count - unread


def test_errors_are_sentences():
    with pytest.raises(ValueError, match=r"^model must have the same attention_heads"):
        from_hf(build("BART", decoder_attention_heads=4))
    with pytest.raises(ValueError, match=r"^activation_function must be one"):
        from_hf(build("BART", activation_function="tanh"))
