"""Tests and notebooks, in whichever folder, run in the order of `tools/order.py`."""

pytest_plugins = ["order"]
