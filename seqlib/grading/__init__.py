"""Exercises that say at once what is right and what is not: `check("6-1", function)`.

One description of each exercise (`seqlib.grading.exercises`) serves the check in the
notebook, the marks, and the tests that prove both.
"""

from seqlib.grading.checking import CheckError, check

__all__ = ["CheckError", "check"]
