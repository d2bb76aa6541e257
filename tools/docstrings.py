"""Sphinx extension: in the package's docstrings a bar is a bar, as in |x|, and begins no substitution."""

import re

LITERAL_OR_BAR = re.compile(r"(``.*?``)|\|")


def escaped(line: str) -> str:
    """The line with every bar escaped but those in literals, which show as they are."""
    return LITERAL_OR_BAR.sub(lambda found: found[1] or r"\|", line)


def setup(app) -> dict:
    """Called by Sphinx."""

    def escape(app, what, name, obj, options, lines):
        lines[:] = map(escaped, lines)

    app.connect("autodoc-process-docstring", escape)
    return {"parallel_read_safe": True}
