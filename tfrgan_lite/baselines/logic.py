"""Answer-set programming: the mix that breaks the fewest rules (Eiter, Ianni and Krennwallner 2009)."""

from importlib.resources import files

import clingo
import numpy as np
import torch
from torch import Tensor

from ..audio import Stft, amplitude, check_stems, limit_true_peak
from ..labels import check_roles
from ..studio.console import equalise, pan
from ..studio.decide import focus_of
from ..studio.ears import by_width, listen
from .levels import trimmed_to_loudness

EDGES_HZ = np.geomspace(40, 16000, 9)  # eight bands, little more than an octave each
PLACE, FADER_DB, CUT_DB = 0.4, 3.0, -6.0  # what one step of the program's whole numbers is, and its cut
SEARCH = ("--seed=0", "--configuration=handy", "--opt-heuristic=sign,model", "--restart-on-model")
CONFLICTS = 20_000  # after which the best answer so far is taken: unlike seconds, the same on every machine


def answer_set(stems: Tensor, sample_rate: int, roles: tuple[str, ...] | None = None) -> tuple[Tensor, Tensor]:
    """Pan, fader and at most one cut a track, chosen by clingo over facts about masking; the program is `mixing.lp`.

    The facts are each track's share of amplitude in eight bands. From equal loudness, tracks that share bands are put
    apart, those that hide the focus go down, and a band is cut where that costs less than the masking there.

    Args:
        stems: (N, 1 or 2, samples).
        sample_rate: Hz.
        roles: one of ROLES for each track; drums, bass and the focus stay in the middle. None: ``other`` for all.

    Returns:
        The mix (2, samples), true peak at most -1 dBTP, and the wet stems (N, 2, samples). A silent track stays silent.

    Raises:
        UserError: as :func:`tfrgan_lite.audio.check_stems`, for an unknown role or a wrong number of roles.
    """
    stems = check_stems(stems, sample_rate)
    roles = check_roles(roles, len(stems))
    wet = trimmed_to_loudness(stems, sample_rate)
    focus = focus_of(listen(by_width(stems), sample_rate), roles)
    chosen, _ = solve(facts(band_shares(wet, sample_rate), roles, focus))
    settings = {name: torch.zeros(len(wet)) for name in ("at", "down", "cut")}
    hz = torch.full((len(wet),), 1000.0)
    for name, track, value in chosen:
        settings[name][track] = CUT_DB if name == "cut" else value
        if name == "cut":
            hz[track] = float(np.sqrt(EDGES_HZ[value] * EDGES_HZ[value + 1]))
    wet = equalise(wet, sample_rate, low_peak_db=settings["cut"], low_peak_hz=hz)
    wet = pan(wet * amplitude(FADER_DB * settings["down"])[:, None, None], sample_rate, PLACE * settings["at"])
    return limit_true_peak(wet.sum(0), wet, sample_rate)


def band_shares(stems: Tensor, sample_rate: int) -> Tensor:
    """Percent of each track's amplitude in each of the eight bands: (N, 2, samples) -> (N, 8); silence has none."""
    spectrum = Stft(sample_rate)(stems.mean(-2)).abs().square().mean(-2)  # (N, K)
    hz = torch.linspace(0, sample_rate / 2, spectrum.shape[-1])
    band = torch.bucketize(hz, torch.tensor(EDGES_HZ, dtype=hz.dtype))
    size = torch.zeros(len(stems), len(EDGES_HZ) + 1).index_add_(1, band, spectrum)[:, 1:-1].sqrt()
    return 100 * size / size.sum(-1, keepdim=True).clamp_min(1e-9)


def facts(shares: Tensor, roles: tuple[str, ...], focus: int | None) -> str:
    """The stems as `mixing.lp` takes them: shares (N, 8) in percent, roles, and who leads, if anybody."""
    said = [] if focus is None else [f"focus({focus})."]
    for track, share in enumerate(shares):
        if share.sum() == 0:  # silent
            continue
        said.append(f"track({track}).")
        if roles[track] in ("drums", "bass") or track == focus:
            said.append(f"anchor({track}).")
        said += [f"share({track},{band},{round(float(percent))})." for band, percent in enumerate(share)]
    return "\n".join(said)


def solve(said: str) -> tuple[list[tuple[str, int, int]], int]:
    """The best answer to the program with these facts: its atoms as (name, track, value), and what it costs."""
    control = clingo.Control([*SEARCH, f"--solve-limit={CONFLICTS}"])
    control.add(files(__package__).joinpath("mixing.lp").read_text(encoding="utf-8"))
    control.add(said)
    control.ground()
    answer: list[tuple[str, int, int]] = []
    cost = [0]

    def keep(model: clingo.Model) -> None:  # each model that it is called with is better than the last
        atoms = model.symbols(shown=True)
        answer[:] = [(atom.name, atom.arguments[0].number, atom.arguments[1].number) for atom in atoms]
        cost[:] = model.cost

    control.solve(on_model=keep)
    return answer, cost[0]
