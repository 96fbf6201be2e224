"""The orders of gates in ONNX and Keras."""

from __future__ import annotations

from seqlib._arrays import Array, array_namespace
from seqlib._check import one_of, shapes
from seqlib._params import layers_of, names_of

ORDERS: dict[
    str, dict[str, tuple[int, ...]]
] = {  # torch's blocks, in the order in which they stand with the others
    "rnn": {"onnx": (0,), "keras": (0,)},
    "rnn_relu": {"onnx": (0,), "keras": (0,)},
    "rnn_logistic": {"onnx": (0,), "keras": (0,)},
    "lstm": {"onnx": (0, 3, 1, 2), "keras": (0, 1, 2, 3)},
    "gru": {"onnx": (1, 0, 2), "keras": (1, 0, 2)},
    "gru_before": {"onnx": (1, 0, 2), "keras": (1, 0, 2)},
}


def to_onnx(kind: str, params: dict[str, Array]) -> list[dict[str, Array]]:
    """Return one dict a layer of what ONNX's RNN, LSTM or GRU takes.

    Shapes: "W" (directions, G, D), "R" (directions, G, H), and where there are biases
    "B" (directions, 2G), with G = H, 3H for a GRU, 4H for an LSTM. `params` is what
    `recurrent` takes; kind "gru" is ONNX's linear_before_reset=1, "gru_before" its 0,
    the default. Errors: an unknown kind, params that do not fit it. Source: the ONNX
    operators RNN, LSTM and GRU.
    """
    layers = _check_params(kind, params)
    out: list[dict[str, Array]] = []
    order = ORDERS[kind]["onnx"]
    for layer in layers:
        ways = []
        for suffix in layer:
            blocks = [_take(params[n], order) for n in names_of(suffix) if n in params]
            W, R, *biases = blocks
            ways.append((W, R, _concat(biases)) if biases else (W, R))
        arrays = zip("WRB", zip(*ways, strict=True), strict=False)
        out.append({name: _stack(a) for name, a in arrays})
    return out


def from_onnx(kind: str, layers: list[dict[str, Array]]) -> dict[str, Array]:
    """Return what `recurrent` takes from ONNX's arrays, the inverse of `to_onnx`.

    Shapes: as `to_onnx`; "B" may be missing, from all layers. Errors: an unknown kind,
    an array missing or of another shape.
    """
    one_of("kind", kind, ORDERS)
    params: dict[str, Array] = {}
    order = _inverse(ORDERS[kind]["onnx"])
    _check_list("layers", layers, dict)
    for k, layer in enumerate(layers):
        where = f"layers[{k}]"
        if missing := {"W", "R"} - set(layer):
            raise ValueError(f"{where} must hold {' and '.join(sorted(missing))}")
        if strange := sorted(map(str, set(layer) - {"W", "R", "B"})):
            raise ValueError(f"{where} must hold W, R and B alone, got {strange[0]}")
        W, R, B = layer["W"], layer["R"], layer.get("B")
        H = shapes(**{f"{where}['R']": (R, "N G H")})["H"]
        G = len(order) * H
        n = shapes(
            **{
                f"{where}['R']": (R, f"N {G} {H}"),
                f"{where}['W']": (W, f"N {G} D"),
                f"{where}['B']": (B, f"N {2 * G}?"),
            }
        )["N"]
        if n > 2:
            raise ValueError(f"{where} must have 1 or 2 directions, got {n}")
        for suffix, i in zip((f"l{k}", f"l{k}_reverse"), range(n), strict=False):
            arrays = [W[i, ...], R[i, ...]]
            arrays += [] if B is None else [B[i, :G], B[i, G:]]
            for name, a in zip(names_of(suffix), arrays, strict=False):
                params[name] = _take(a, order)
    _check_params(kind, params)
    return params


def to_keras(kind: str, params: dict[str, Array]) -> list[list[Array]]:
    """Return one list a layer of what Keras' `set_weights` takes.

    The list is kernel (D, G), recurrent_kernel (H, G) and bias; with two directions
    those of `Bidirectional`, the forward three first. The bias is the sum of torch's
    two, (G,); for kind "gru", Keras' reset_after=True, where b_hn stands inside the
    product with r, it is both, (2, G). Without biases the lists are two long
    (use_bias=False). `params` is what `recurrent` takes; G is H, 3H for a GRU, 4H for
    an LSTM. Errors: an unknown kind, params that do not fit it. Source: Keras' layers
    SimpleRNN, LSTM and GRU.
    """
    layers = _check_params(kind, params)
    out: list[list[Array]] = []
    order = ORDERS[kind]["keras"]
    for layer in layers:
        arrays: list[Array] = []
        for suffix in layer:
            blocks = [_take(params[n], order) for n in names_of(suffix) if n in params]
            W, U, *biases = blocks
            arrays += [W.T, U.T]
            if biases:
                arrays.append(
                    _stack(biases) if kind == "gru" else biases[0] + biases[1]
                )
        out.append(arrays)
    return out


def from_keras(kind: str, layers: list[list[Array]]) -> dict[str, Array]:
    """Return what `recurrent` takes from Keras' `get_weights`, one list a layer.

    Shapes: as `to_keras`. Where Keras has one bias it becomes b_ih, and b_hh is zero.
    Errors: an unknown kind, a list of another length, an array of another shape.
    """
    one_of("kind", kind, ORDERS)
    params: dict[str, Array] = {}
    order = _inverse(ORDERS[kind]["keras"])
    _check_list("layers", layers, (list, tuple))
    for k, layer in enumerate(layers):
        if len(layer) not in (2, 3, 4, 6):
            raise ValueError(
                f"layers[{k}] must hold 2 arrays a direction without biases or 3 with, "
                f"got {len(layer)}"
            )
        each = 3 if len(layer) % 3 == 0 else 2
        for i in range(0, len(layer), each):
            suffix = f"l{k}_reverse" if i else f"l{k}"
            parts = _from_keras(kind, f"layers[{k}]", i, layer[i : i + each])
            for name, a in zip(names_of(suffix), parts, strict=False):
                params[name] = _take(a, order)
    _check_params(kind, params)
    return params


def _from_keras(kind: str, where: str, i: int, arrays: list[Array]) -> list[Array]:
    """Check one direction's arrays, and turn them as torch's stand."""
    W, U, *bias = arrays
    H = shapes(**{f"{where}[{i + 1}]": (U, "H G")})["H"]
    G = len(ORDERS[kind]["keras"]) * H
    axes = f"2 {G}" if kind == "gru" else f"{G}"
    shapes(
        **{
            f"{where}[{i + 1}]": (U, f"{H} {G}"),
            f"{where}[{i}]": (W, f"D {G}"),
            **({f"{where}[{i + 2}]": (bias[0], axes)} if bias else {}),
        }
    )
    if not bias:
        return [W.T, U.T]
    b = bias[0]
    zero = array_namespace(b).zeros_like
    both = [b[0, :], b[1, :]] if kind == "gru" else [b, zero(b)]
    return [W.T, U.T, *both]


def _check_params(kind: str, params: dict[str, Array]) -> list[list[str]]:
    """Check that params are this kind's and fit together; return the layers."""
    one_of("kind", kind, ORDERS)
    layers = layers_of(params)
    first = params["weight_hh_l0"]
    H = shapes(weight_hh_l0=(first, "G H"))["H"]
    G = len(ORDERS[kind]["onnx"]) * H
    fan_in = "D"
    for layer in layers:
        for suffix in layer:
            sizes = (f"{G} {fan_in}", f"{G} {H}", f"{G}", f"{G}")
            for name, axes in zip(names_of(suffix), sizes, strict=True):
                if name in params:
                    shapes(
                        **{"weight_hh_l0": (first, "..."), name: (params[name], axes)}
                    )
        fan_in = str(H * len(layer))
    return layers


def _check_list(name: str, value: object, inner: type | tuple[type, ...]) -> None:
    wanted = "dicts" if inner is dict else "lists of arrays"
    if not isinstance(value, list | tuple):
        raise TypeError(
            f"{name} must be a list of {wanted}, got {type(value).__name__}"
        )
    if not value:
        raise ValueError(f"{name} must hold at least one layer, got none")
    for item in value:
        if not isinstance(item, inner):
            got = type(item).__name__
            raise TypeError(f"{name} must be a list of {wanted}, got one of {got}")


def _inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(order.index(k) for k in range(len(order)))


def _take(a: Array, order: tuple[int, ...]) -> Array:
    """Put the blocks of the first axis into another order, as a copy."""
    size = a.shape[0] // len(order)
    return _concat([a[k * size : (k + 1) * size, ...] for k in order])


def _concat(arrays: list[Array]) -> Array:
    return array_namespace(arrays[0]).concat(arrays)


def _stack(arrays: list[Array] | tuple[Array, ...]) -> Array:
    return array_namespace(arrays[0]).stack(list(arrays))
