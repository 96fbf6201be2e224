"""What all tests share."""

import os

import hypothesis
import torch

hypothesis.settings.register_profile(
    "book",
    deadline=None,  # a busy machine is no failure
    derandomize=True,  # the same cases on every machine
    max_examples=int(os.environ.get("EXAMPLES", "30")),  # EXAMPLES=1000 looks harder
)
hypothesis.settings.load_profile("book")
torch.set_num_threads(1)
