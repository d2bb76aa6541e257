"""What the rules share: settings of every channel strip, run through the studio's console to one loudness."""

import torch
from torch import Tensor

from ..audio import amplitude, limiter_gain, loudness
from ..studio.decide import NEUTRAL
from ..studio.ears import SILENCE_DB, by_width, level
from ..studio.engineer import INSERTS, Strips
from ..studio.master import CEILING_DB, MOST_LIMITING_DB

ROOM = {"kind": "plate"}  # the one room of a rule, and of the generator
SETTINGS = (*(name for names in INSERTS.values() for name in names), "pan", "send_db")
NEAR_LU = 0.02  # when the master gain is found


def neutral(tracks: int) -> dict[str, Tensor]:
    """Settings that leave every track as it is, each a tensor (tracks,), named as in `studio.Engineered.console`."""
    return {name: torch.full((tracks,), NEUTRAL.get(name, 0.0)) for name in SETTINGS}


def run(
    stems: Tensor, sample_rate: int, settings: dict[str, Tensor], track_lufs: Tensor, mix_lufs: float
) -> tuple[Tensor, Tensor]:
    """Equaliser, compressor, fader, pan, send to the room, and the master.

    The fader is set by ear: it brings what the inserts have left to `track_lufs`, by at most 40 dB.

    Args:
        stems: (N, 2, samples).
        sample_rate: Hz.
        settings: as `neutral` gives them.
        track_lufs: (N,), loudness of each track before pan, send and master.
        mix_lufs: loudness of the mix. The limiter, which keeps true peaks below -1 dBTP, takes 12 dB at most.

    Returns:
        The mix (2, samples) and the wet stems (N, 2, samples). A silent track stays silent.
    """
    groups = by_width(stems)
    for effect, names in INSERTS.items():
        groups = [(k, effect(x, sample_rate, **{name: settings[name][k] for name in names})) for k, x in groups]
    now = level(groups, sample_rate)
    fader = torch.where(now > SILENCE_DB, (track_lufs - now).clamp(-40, 40), 0.0)
    wet = Strips(groups, sample_rate, settings | {"gain_db": fader}, ROOM).wet()
    mix = wet.sum(0)
    gain = master_gain(mix, sample_rate, mix_lufs)
    return mix * gain, wet * gain


def master_gain(mix: Tensor, sample_rate: int, mix_lufs: float) -> Tensor:
    """The gain (samples,) that brings a mix (2, samples) to `mix_lufs` LUFS, the limiter's included; 1 for silence."""
    peak = mix.abs().max()
    if loudness(mix, sample_rate) <= SILENCE_DB:
        return torch.ones_like(mix[0])
    most = amplitude(torch.tensor(CEILING_DB + MOST_LIMITING_DB)) / peak
    gain = torch.ones(())
    for _ in range(8):  # what the limiter takes away is given back
        over_time = gain * limiter_gain(mix * gain, sample_rate, CEILING_DB)
        missing = mix_lufs - loudness(mix * over_time, sample_rate)
        if abs(missing) < NEAR_LU or (missing > 0 and gain >= most):
            break
        gain = torch.minimum(gain * amplitude(missing), most)
    return over_time
