"""A slider that plays: one short sound for each of its positions, all inside the page. Needs no kernel, no network."""

import base64
import hashlib
import html
import json
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError
from .listen import listen

WIDTH, HEIGHT = 360, 120  # of the picture, in its own units
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
DASHES = {"solid": "", "dashed": "7 4", "dotted": "2 3", "dashed and dotted": "7 3 2 3"}

# What is written here once is all that a page needs: without it, the player and the links still work.
SCRIPT = """
(function () {
  const figure = document.getElementById("ID"), find = what => figure.querySelector(what);
  const links = [...figure.querySelectorAll("a")], range = find("input"), player = find("audio");
  const lines = JSON.parse(figure.dataset.lines);
  function move(place, play) {
    range.value = place;
    range.setAttribute("aria-valuetext", links[place].textContent);
    find("output").textContent = links[place].textContent;
    figure.querySelectorAll("path.line").forEach((path, k) => path.setAttribute("d", lines[place][k]));
    player.src = links[place].href;
    if (play) player.play().catch(() => {});
  }
  range.addEventListener("input", () => move(range.value, true));
  links.forEach((link, place) => link.addEventListener("click", event => {
    event.preventDefault();
    move(place, true);
  }));
  find(".slider").hidden = false;
  move(START, false);
})();
"""


class Slide:
    """What :func:`slide` returns: a figure in a notebook and in the book, one line of text in a terminal.

    Attributes:
        html: the figure, self-contained.
        mp3: label -> the encoded bytes.
    """

    def __init__(self, figure: str, text: str, mp3: dict[str, bytes]):
        self.html, self.text, self.mp3 = figure, text, mp3

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


def slide(
    sounds: Mapping[str, Tensor | np.ndarray],
    sample_rate: int,
    describe: str,
    name: str,
    curves: Mapping[str, Tensor | np.ndarray] | None = None,
    unit: str = "",
    span: float | None = None,
    match_loudness: bool = False,
) -> Slide:
    """A slider over sounds, which stand in the order of its positions: moving it, by mouse or by the arrow keys, plays
    one and draws its curves. It begins in the middle. Without JavaScript there are a player of that one, and links.

    Args:
        sounds, sample_rate, describe, match_loudness: as :func:`tfrgan_lite.lesson.listen` takes them; at least two
            sounds.
        name: what moves, the label of the slider.
        curves: name of a line -> its values (positions, points), to be drawn above the slider; at most four lines.
        unit: of the values.
        span: the value at the picture's upper edge, above 0; what is beyond is cut. The largest magnitude if None.

    Raises:
        UserError: as :func:`tfrgan_lite.lesson.listen`, for a single sound, or for curves of another shape or a span
            that cannot be drawn.
    """
    labels = list(sounds)
    if len(labels) < 2:
        raise UserError(f"sounds: a slider needs at least 2 positions and gets {len(labels)}; give more")
    lines = {label: torch.as_tensor(values).detach().double() for label, values in (curves or {}).items()}
    for label, values in lines.items():
        if values.ndim != 2 or len(values) != len(labels) or values.shape[1] < 2 or not torch.isfinite(values).all():
            raise UserError(f"curves[{label!r}]: give finite numbers ({len(labels)} positions, 2 points or more)")
    if span is not None and not 0 < span < float("inf"):
        raise UserError(f"span: is {span}; give a number above 0")
    if len(lines) > len(COLOURS):
        raise UserError(f"curves: {len(lines)} lines are too many to tell apart; give at most {len(COLOURS)}")
    players = listen(sounds, sample_rate, describe, match_loudness)
    sources = [f"data:audio/mpeg;base64,{base64.b64encode(data).decode()}" for data in players.mp3.values()]
    start, said, named = len(labels) // 2, html.escape(describe), html.escape(name)
    caption = said + (f"<br><small>{html.escape(players.note)}</small>" if players.note else "")
    span = span or max([float(values.abs().max()) for values in lines.values()], default=0.0) or 1.0
    paths = [[_path(values[place] / span) for values in lines.values()] for place in range(len(labels))]
    mark = hashlib.sha256("".join([name, describe, *sources]).encode()).hexdigest()[:10]
    figure = f"""<figure class="slide" id="slide-{mark}" role="group" aria-label="{said}" data-lines="{
        html.escape(json.dumps(paths))
    }"><figcaption style="color: inherit">{caption}</figcaption>
{_picture(list(lines), paths[start], span, unit)}
<p class="slider" hidden><label for="slide-{mark}-range">{named}</label>
<input type="range" id="slide-{mark}-range" min="0" max="{len(labels) - 1}" step="1" value="{start}">
<output for="slide-{mark}-range">{html.escape(labels[start])}</output></p>
<audio controls preload="none" aria-label="{named}" src="{sources[start]}"></audio>
<p><small>{named}: {
        " ".join(_link(name, label, source) for label, source in zip(labels, sources, strict=True))
    }</small></p>
<script>{SCRIPT.replace("ID", f"slide-{mark}").replace("START", str(start))}</script></figure>"""
    return Slide(figure, f"{players.text} A slider, {name}, plays them.", players.mp3)


def _link(name: str, label: str, source: str) -> str:
    """A sound by itself; as a browser opens no data: address as a page, it is saved."""
    return f'<a href="{source}" download="{html.escape(f"{name} {label}")}.mp3">{html.escape(label)}</a>'


def _path(values: Tensor) -> str:
    """SVG of a line whose values from -1 to 1 fill the picture."""
    x = torch.linspace(0, WIDTH, len(values)).tolist()
    y = (HEIGHT / 2 * (1 - values)).tolist()
    return "M" + "L".join(f"{a:.0f} {b:.1f}" for a, b in zip(x, y, strict=True))


def _picture(names: list[str], paths: list[str], span: float, unit: str) -> str:
    if not names:
        return ""
    legend = ", ".join(f"{html.escape(name)} {kind}" for name, kind in zip(names, DASHES, strict=False))
    drawn = "".join(
        f'<path class="line" d="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
        for path, colour, dash in zip(paths, COLOURS, DASHES.values(), strict=False)
    )
    return (
        f'<svg role="img" aria-label="Lines that move with the slider: {legend}" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' width="{WIDTH}" style="max-width: 100%; border: 1px solid currentColor">'
        f'<path d="M0 {HEIGHT / 2}H{WIDTH}" stroke="currentColor" stroke-width="0.5"/>{drawn}</svg>'
        f"<p><small>{legend}; from {-span:.3g} to {span:.3g} {html.escape(unit)}</small></p>"
    )
