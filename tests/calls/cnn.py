"""Good calls of `seqlib.cnn`."""

from calls.trees import drawn
from seqlib import cnn

IMAGE, CLIP = drawn(2, 3, 7, 8), drawn(2, 3, 7)

CALLS = {
    cnn.conv1d: {"x": CLIP, "weight": drawn(5, 3, 4), "bias": drawn(5)},
    cnn.conv2d: {"x": IMAGE, "weight": drawn(5, 3, 4, 6), "bias": drawn(5)},
    cnn.max_pool1d: {"x": CLIP, "kernel_size": 3},
    cnn.max_pool2d: {"x": IMAGE, "kernel_size": (3, 2)},
    cnn.output_size: {"size": 7, "kernel_size": 3},
    cnn.receptive_field: {"layers": [(3, 1), (2, 2, 2)]},
}
VARIANTS = {
    cnn.conv1d: [
        {"stride": 2, "padding": 1, "dilation": 2},
        {"padding": "same", "bias": None},
    ],
    cnn.conv2d: [{"stride": (2, 1), "padding": (1, 2), "dilation": (1, 1)}],
    cnn.max_pool1d: [{"stride": 2, "padding": 1}],
    cnn.max_pool2d: [{"stride": (1, 2), "padding": (1, 1)}],
}
EXCEPTIONS = {
    (
        cnn.conv1d,
        "padding",
        "3",
    ): "a number of zeros; here it is the name that is tried",
    (cnn.receptive_field, "layers", "empty"): "no layer sees one place",
    (cnn.receptive_field, "layers[*]", "one *"): "two numbers or three",
}
