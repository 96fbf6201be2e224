"""Figures and sources that read alike in Colab, in Jupyter and in the static book."""

from .figures import COLORS, show, style
from .listing import source
from .player import explore

__all__ = ["COLORS", "explore", "show", "source", "style"]
