"""A figure with sounds that is a widget where there is a kernel, and stands by itself on a page without one."""

import base64
import hashlib
import html
from pathlib import Path

import anywidget
import traitlets

ASSETS = Path(__file__).parent / "assets"


class Board(anywidget.AnyWidget):
    """A widget, and self-contained HTML around the same JavaScript module.

    A kind of board sets ``_esm`` by :func:`script`.

    Attributes:
        html: the figure with script and style, self-contained.
        figure: the figure without them.
        text: what a terminal shows.
    """

    _css = ASSETS / "board.css"
    figure = traitlets.Unicode().tag(sync=True)

    def __init__(self, figure: str, text: str, **state):
        self.text = text
        super().__init__(figure=figure, **state)

    @property
    def html(self) -> str:  # noqa: D102 - among the class's attributes
        mark = f"board-{hashlib.sha256(self.figure.encode()).hexdigest()[:10]}"
        return (
            f'<style>{self._css}</style><div id="{mark}">{self.figure}</div>'
            f'<script type="module">{self._esm}\nstandalone(render, "{mark}");</script>'
        )

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **kwargs) -> tuple[dict, dict]:
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return data | {"text/plain": self.text, "text/html": self.html}, metadata


def script(name: str) -> str:
    """The JavaScript module of a board: what all share, and its own."""
    return "\n".join((ASSETS / file).read_text(encoding="utf-8") for file in ("board.js", f"{name}.js"))


def player_row(name: str, data: bytes, seconds: float, kind: str) -> str:
    """A table's row with a plain player of MP3 bytes, of the class ``kind``."""
    label, source = html.escape(name), f"data:audio/mpeg;base64,{base64.b64encode(data).decode()}"
    player = (
        f'<audio class="{kind}" controls preload="none" aria-label="{label}, {seconds:.1f} seconds" src="{source}">'
    )
    return f'<tr><th scope="row">{label}</th><td>{player}</audio></td></tr>'
