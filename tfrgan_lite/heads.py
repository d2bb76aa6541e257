"""The generator's two heads: a console's settings for each track, and what they miss in each frame. Chapter 08."""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import log

import torch
import torch.nn.functional as functional
from scipy.signal import sosfreqz
from torch import Tensor, nn

from .audio import k_weighting
from .mel import mel_points
from .prepare import MASTER_LUFS, REFERENCE_RATE, front, room_power
from .sides import Coupling, overlaps
from .studio.console import pan_gains

NEPER_DB = 20 / log(10)  # dB in a natural logarithm of amplitude
GAIN_RANGE = 3.5  # nats: the coarse head moves a track by at most 30 dB
BAND_RANGE = 2.0  # nats: the coarse and fine heads move a band by at most 17 dB each
PHASE_RANGE = torch.pi
ANSWER_BANDS = 8  # broad bands of what the room answers


@dataclass
class Console:
    """The coarse head's settings: one value a track, for the whole window. B songs, N tracks, F mel bands."""

    gain: Tensor  # (B, N) natural log of the fader's gain, the master's included
    pan: Tensor  # (B, N) -1 left to 1 right; how far out, 0 to 1, until the sides are known
    bands: Tensor  # (B, N, F) natural log of the broad bands' gain, interpolated to mel bands
    send: Tensor  # (B, N) amplitude ratio of the reverb send, after fader and bands
    answer: Tensor  # (B, F) natural log of the gain of what the room answers, the same for all tracks
    coupling: Tensor  # (B, N, N) of :mod:`tfrgan_lite.sides`: who stands with whom
    master: Tensor  # (B,) natural log of the master's gain, already in ``gain``

    def first(self, songs: int) -> "Console":
        """The settings of the first ``songs`` songs."""
        return Console(*(setting[:songs] for setting in vars(self).values()))

    def facing(self, sides: Tensor) -> "Console":
        """The same with each track on its side (B, N): -1 left, 1 right; where it is 0 the track stays as it is."""
        return replace(self, pan=self.pan * torch.where(sides == 0, 1.0, sides))


def long_term(console: Console, dry_power: Tensor) -> Tensor:
    """Mean mel power (B, N, 4, F) of each wet track's left, right, middle and side that the console alone makes of that
    of the dry track. The room answers the middle with :func:`tfrgan_lite.prepare.room_power`, and its two channels have
    nothing in common; powers add up, as of sounds without a common phase.
    """
    fader = (2 * (console.gain[..., None] + console.bands)).exp()[:, :, None]
    left, right = pan_gains(console.pan)[..., None].unbind(-2)  # (B, N, 1)
    dry_left, dry_right, dry_middle, dry_side = dry_power.unbind(2)
    both, apart = ((left + right) / 2).square(), ((left - right) / 2).square()
    direct = torch.stack(
        [
            left.square() * dry_left,
            right.square() * dry_right,
            both * dry_middle + apart * dry_side,
            apart * dry_middle + both * dry_side,
        ],
        dim=2,
    )
    room = room_power(dry_power.shape[-1]).to(dry_power.device)
    answer = torch.cat([room, room.mean(0, keepdim=True).expand(2, -1) / 2]) * dry_middle[:, :, None]
    answer = answer * (2 * console.answer).exp()[:, None, None]
    return fader * (direct + console.send.square()[..., None, None] * answer)


class CoarseHead(nn.Module):
    """What each track's tokens say together, and z -> console settings: fader, pan, broad bands, reverb send, and what
    all tracks say together -> an equaliser on what the room answers.

    With ``mirror`` the pan says how far out a track stands and the coupling who stands with whom, so that the sides can
    be drawn; without, the pan says the side too and there is no coupling.
    """

    def __init__(self, d_model: int, bands: int, mels: int, z: int, send: bool = True, mirror: bool = True):
        super().__init__()
        self.mels, self.z = mels, z
        self.settings = [1, 1, int(send), bands]  # how many numbers say gain, pan, send, bands
        self.hidden = nn.Linear(d_model + z, 2 * d_model)
        self.out = nn.Linear(2 * d_model, sum(self.settings))
        nn.init.normal_(self.out.weight, std=0.02)
        nn.init.zeros_(self.out.bias)
        self.coupling = Coupling(d_model) if mirror else None
        colour = nn.Linear(2 * d_model, ANSWER_BANDS)
        nn.init.zeros_(colour.weight)  # the room's own at first
        nn.init.zeros_(colour.bias)
        self.answer = nn.Sequential(nn.Linear(d_model + z, 2 * d_model), nn.GELU(), colour)
        self.register_buffer("k_weights", k_weights(mels), persistent=False)

    def forward(self, h: Tensor, z: Tensor, meters: Tensor, present: Tensor) -> Console:
        """h (B, N, tokens, d_model), z (B, z), meters (B, N, 2 F + 2), present (B, N) -> settings, the sides open."""
        h, power = h.mean(2), self.power(meters)
        x = torch.cat([h, z[:, None, : self.z].expand(-1, h.shape[1], -1)], dim=-1)
        gain, pan, send, bands = self.out(functional.gelu(self.hidden(x))).split(self.settings, dim=-1)
        gain = GAIN_RANGE * torch.tanh(gain[..., 0] / GAIN_RANGE)
        send = (send - 2).clamp(-7, 2).exp().sum(-1)  # starts at 0.14: -17 dB; 0 where there is none
        bands = BAND_RANGE * torch.tanh(bands / BAND_RANGE)
        bands = functional.interpolate(bands, self.mels, mode="linear", align_corners=True)
        everyone = (x * present[..., None]).sum(1) / present.sum(1, keepdim=True).clamp_min(1)
        answer = self.answer(everyone)
        # Its level is left to the sends: two ways to say one thing would drift apart.
        answer = BAND_RANGE * torch.tanh((answer - answer.mean(-1, keepdim=True)) / BAND_RANGE)
        answer = functional.interpolate(answer[:, None], self.mels, mode="linear", align_corners=True)[:, 0]
        # The fader is set by ear, after the bands: what they change in a track's loudness is given back.
        before, after = ((x * self.k_weights).sum(-1) + 1e-9 for x in (power, power * (2 * bands).exp()))
        gain = gain - 0.5 * torch.log(after / before)
        if self.coupling:
            pan = torch.sigmoid(2 * pan[..., 0] - 2)  # starts at 0.12
            coupling = self.coupling(h, overlaps(power * self.k_weights))
        else:
            pan, coupling = torch.tanh(pan[..., 0]), gain.new_zeros(*gain.shape, gain.shape[1])
        console = Console(gain, pan, bands, send, answer, coupling, gain.new_zeros(len(gain)))
        master = self.master(console, power, present)
        return replace(console, gain=gain + master[:, None], master=master)

    def power(self, meters: Tensor) -> Tensor:
        """Mean mel power (B, N, F) of each channel of the tracks: each holds the middle and the side."""
        middle, side = (meters[..., i * self.mels : (i + 1) * self.mels].exp() for i in range(2))
        return middle + side

    def master(self, console: Console, power: Tensor, present: Tensor) -> Tensor:
        """The master fader (B,), natural log: brings the sum of the tracks to -20 LUFS, as the meters foretell it."""
        channels = long_term(console, power[:, :, None].expand(-1, -1, 4, -1))[:, :, :2]
        wet = channels * present[..., None, None]
        lufs = -0.691 + 10 * torch.log10((wet * self.k_weights).sum((1, 2, 3)).clamp_min(1e-9))
        return (MASTER_LUFS - lufs) / NEPER_DB


class FineHead(nn.Module):
    """What the coarse head's broad strokes miss: a gain and a phase for each frame, channel and mel band."""

    REACH = 2  # frames on each side that the first convolution sees, and steps that the second one does
    STEP = 6  # frames in such a step: a compressor lets go in 180 ms or so
    MARGIN = REACH + STEP * REACH  # of frames on each side that the head needs

    def __init__(self, mels: int, d_model: int, width: int):
        super().__init__()
        kernel = 2 * self.REACH + 1
        self.from_spectrum = nn.Conv1d(mels, width, kernel)
        self.from_tokens = nn.Linear(d_model, width)
        self.from_console = nn.Linear(mels + 3, width)
        self.refine = nn.Conv1d(width, width, kernel, dilation=self.STEP)
        self.out = nn.Linear(width, 4 * mels)
        nn.init.zeros_(self.out.weight)  # the refinement starts at nothing
        nn.init.zeros_(self.out.bias)

    def forward(self, around: Tensor, h: Tensor, console: Console) -> tuple[Tensor, Tensor]:
        """X about the T wanted frames (B, N, T + 2 MARGIN, F), the tokens drawn out to them (B, N, T, d_model), the
        coarse settings -> gain and phase (B, N, 2, T, F)."""
        batch, tracks, _, mels = around.shape
        settings = torch.cat([torch.stack([console.gain, console.pan, console.send], -1), console.bands], dim=-1)
        tokens = self.from_tokens(h) + self.from_console(settings)[:, :, None]
        x = self.from_spectrum(around.flatten(0, 1).mT)  # (B * N, width, T + 2 STEP REACH)
        cut = self.STEP * self.REACH
        x = x[..., cut:-cut] + self.refine(functional.gelu(x))
        x = self.out(functional.gelu(x.mT.unflatten(0, (batch, tracks)) + tokens))
        gain, phase = x.unflatten(-1, (2, 2, mels)).movedim(2, 4).unbind(2)
        return BAND_RANGE * torch.tanh(gain / BAND_RANGE), PHASE_RANGE * torch.tanh(phase / PHASE_RANGE)


@lru_cache(maxsize=4)
def k_weights(mels: int) -> Tensor:
    """What a mean mel power of :func:`tfrgan_lite.prepare.mel_power` weighs in BS.1770's mean square: (F,)."""
    hz = mel_points(mels)[1:-1].numpy()
    response = sosfreqz(k_weighting(REFERENCE_RATE), hz, fs=REFERENCE_RATE)[1]
    stft = front(REFERENCE_RATE, mels).stft
    scale = 2 / (stft.n_fft * float(stft.window.square().sum()))  # Parseval, one-sided
    return torch.from_numpy(abs(response) ** 2 * scale).float()
