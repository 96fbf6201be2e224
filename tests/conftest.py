"""What all tests share."""

import os

try:
    import hypothesis
except ModuleNotFoundError:  # where numpy stands alone
    hypothesis = None
try:
    import torch
except ModuleNotFoundError:
    torch = None

if hypothesis is not None:
    hypothesis.settings.register_profile(
        "book",
        deadline=None,  # a busy machine is no failure
        derandomize=True,  # the same cases on every machine
        max_examples=int(os.environ.get("EXAMPLES", "30")),  # 1000 looks harder
    )
    hypothesis.settings.load_profile("book")
if torch is not None:
    torch.set_num_threads(1)
