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
NO_BIAS, ANY = "a layer may do without a bias", "kernels and batches of any size"
EXCEPTIONS = {
    **{(f, "layers[*][1]", "None"): NO_BIAS for f in (S.scan, S.convs_from_mlp)},
    **{
        (f, "convs[*][1]", "None"): NO_BIAS
        for f in (S.convnet, S.mlp_from_convs, S.tdnn)
    },
    (S.convnet, "x", "axis 0 *"): ANY,
    (S.convnet, "convs[*][0]", "axis 2 *|axis 3 *"): ANY,
    (S.mlp_from_convs, "convs[*][0]", "axis ? *"): ANY,
    (S.convs_from_mlp, "kernel_size", "one less"): "a tuple of one is for one axis",
}
