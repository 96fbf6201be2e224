"""Good calls of `seqlib.scanning`."""

from calls.trees import drawn

from seqlib import scanning as S

LAYERS = [(drawn(5, 6), drawn(5)), (drawn(4, 5), drawn(4))]
CONVS = [(drawn(5, 3, 2), drawn(5)), (drawn(4, 5, 3), drawn(4))]
CONVS_2D = [(drawn(5, 3, 2, 1), drawn(5)), (drawn(4, 5, 1, 3), drawn(4))]

CALLS = {
    S.scan: {"x": drawn(2, 3, 7), "layers": LAYERS, "kernel_size": 2},
    S.convnet: {"x": drawn(2, 3, 7), "convs": CONVS},
    S.convs_from_mlp: {"layers": LAYERS, "kernel_size": 2},
    S.mlp_from_convs: {"convs": CONVS},
    S.tdnn: {"x": drawn(2, 7, 3), "convs": CONVS, "past": drawn(2, 3, 3)},
}
VARIANTS = {
    S.scan: [
        {
            "x": drawn(2, 3, 7, 8),
            "kernel_size": (2, 1),
            "stride": (1, 2),
            "activations": ["tanh", "linear"],
        }
    ],
    S.convnet: [
        {
            "x": drawn(2, 3, 7, 8),
            "convs": CONVS_2D,
            "activations": ["tanh", "relu"],
            "strides": [2, 1],
        }
    ],
    S.convs_from_mlp: [{"kernel_size": (1, 3)}],
    S.mlp_from_convs: [{"convs": CONVS_2D, "strides": [1, 2]}],
    S.tdnn: [{"past": None, "activations": "tanh"}],
}
