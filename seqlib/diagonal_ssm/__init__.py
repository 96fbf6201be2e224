"""Diagonal state-space layer: a linear recurrence that is also a convolution.

    h_t = a ⊙ h_{t-1} + B x_t        y_t = Re(C h_t) + D x_t

The state is complex: N numbers that turn and shrink, each by itself. Without a
nonlinearity the same y comes from the recurrence, from a convolution with the kernel
K_l = Re(C a^l B), and from a scan that doubles its reach in each of log T rounds.

A complex array is a pair here, (real part, imaginary part), so that every step can be
read; its gradient is the pair of the gradients of the two.
"""

from seqlib.diagonal_ssm._initial import init_params, lru_ring, s4d_legs, s4d_lin
from seqlib.diagonal_ssm._layer import (
    diagonal_ssm,
    diagonal_ssm_backward,
    ssm_kernel,
    ssm_kernel_backward,
)
from seqlib.diagonal_ssm._steps import zero_order_hold, zero_order_hold_backward

__all__ = [
    "diagonal_ssm",
    "diagonal_ssm_backward",
    "init_params",
    "lru_ring",
    "s4d_legs",
    "s4d_lin",
    "ssm_kernel",
    "ssm_kernel_backward",
    "zero_order_hold",
    "zero_order_hold_backward",
]
