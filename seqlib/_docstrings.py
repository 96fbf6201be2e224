"""Source without its docstrings: what runs, and nothing that only tells."""

from __future__ import annotations

import ast


def without_docstrings(code: str) -> str:
    """Drop the docstrings, keep every other line as it was written."""
    lines = code.splitlines()
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, kinds) and ast.get_docstring(node) and len(node.body) > 1:
            doc = node.body[0]
            follows = doc.end_lineno or doc.lineno
            blank = follows < len(lines) and not lines[follows].strip()
            for i in range(doc.lineno - 1, follows + blank):
                lines[i] = "\0"
    return "\n".join(line for line in lines if line != "\0")
