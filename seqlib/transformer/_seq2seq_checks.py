"""The checks of the Transformer for translation, before any work."""

from __future__ import annotations

from seqlib._arrays import Array
from seqlib._check import in_range, one_of, shapes
from seqlib._multi_head import check_heads
from seqlib._params import check_names
from seqlib.positions import LAYOUTS
from seqlib.transformer._checks import Options, Params, check_options
from seqlib.transformer._names import check_params, check_stack

TOKENS = "embed_tokens.weight"
SIDES = ("encoder", "decoder")
FIRST = "encoder.layers.0.norm1.weight"  # the one to be like


def check_model(params: Params, num_heads: int, options: Options, layout: str) -> None:
    """Check the options and all parameters of the model."""
    check_options(*options[1:])
    one_of("layout", layout, LAYOUTS)
    check_params(params)
    blocks = [f"{side}.{part}." for side in SIDES for part in ("layers", "norm")]
    around = {k for k in params if not k.startswith(tuple(blocks))}
    E = check_stack(params, "encoder", "encoder.", ["decoder.", *around])
    check_stack(params, "decoder", "decoder.", ["encoder.", *around], E)
    check_heads(num_heads, E)
    if "shared.weight" in params:
        axes = {"shared.weight": f"V {E}"}
    else:
        axes = {f"encoder.{TOKENS}": f"S {E}", f"decoder.{TOKENS}": f"V {E}"}
    needed = set(axes)
    for side in SIDES:
        norm = f"{side}.layernorm_embedding"
        needed |= {f"{norm}.weight"} if f"{norm}.bias" in params else set()
        axes |= {f"{norm}.weight": f"{E}", f"{norm}.bias": f"{E}"}
        axes[f"{side}.embed_positions.weight"] = f"P_{side} {E}"
        if f"{side}.embed_positions.weight" not in params and E % 2:
            raise ValueError(f"E must be even for sinusoids, got {E}")
    axes |= {"lm_head.weight": f"V {E}", "final_logits_bias": "V"}
    check_names({k: params[k] for k in around}, axes, set(axes) - needed)
    arrays = {k: (params[k], a) for k, a in axes.items() if k in params}
    shapes(**{FIRST: (params[FIRST], f"{E}"), **arrays})


def check_ids(
    params: Params,
    side: str,
    ids: Array,
    key_mask: Array | None,
    name: str,
    mask_name: str,
    batch: Array | None = None,
) -> Array:
    """Check the tokens of one side and what of them is real; return an array of E."""
    like = params[FIRST]
    B = batch.shape[0] if batch is not None else "B"
    n = shapes(**{FIRST: (like, "..."), name: (ids, f"{B} T", "int")})
    B, T = ids.shape
    wanted = (key_mask, f"{B} {T}?", "bool")
    shapes(**{FIRST: (like, "..."), mask_name: wanted})
    own = f"{side}.{TOKENS}"
    in_range(name, ids, params[own if own in params else "shared.weight"].shape[0])
    table = params.get(f"{side}.embed_positions.weight")
    if table is not None and n["T"] > table.shape[0]:
        raise ValueError(
            f"{name} must have at most {table.shape[0]} tokens, as many as there are "
            f"learned positions, got {n['T']}"
        )
    return like
