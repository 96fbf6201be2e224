"""What runs in the sandbox: it calls students' functions and passes on what they give.

`python -m seqlib.grading.inside` reads requests on its standard input and answers on
its standard output, each a frame of `wire`. It never holds a reference, an expected
value or a seed. Each piece of students' work runs in a child process of its own, whose
words are passed on unread: what they are worth is decided outside.
"""
