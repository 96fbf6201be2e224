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
    examples = int(os.environ.get("EXAMPLES", "30"))  # EXAMPLES=1000 looks harder
    skipped = {"shrink", "explain"} if examples < 10 else set()  # any failure will do
    hypothesis.settings.register_profile(
        "book",
        deadline=None,  # a busy machine is no failure
        derandomize=True,  # the same cases on every machine
        max_examples=examples,
        phases=[phase for phase in hypothesis.Phase if phase.name not in skipped],
    )
    hypothesis.settings.load_profile("book")
if torch is not None:
    torch.set_num_threads(1)
