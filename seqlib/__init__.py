"""Sequence models as equations: pure functions, each with its backward pass."""

__version__ = "0.1.0"
