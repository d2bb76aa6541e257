"""Two networks of other designs, to be beaten: a gain-and-pan console and a wave U-Net, as large as the generator.

Both are called alike, work on any number of tracks in any order, and hear no track that is absent. How they are trained
and used stands in :mod:`tfrgan_lite.rivals`. Shapes: B songs, N tracks, T frames, F mel bands.
"""

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from ..audio import amplitude
from ..labels import ROLES, STYLES
from ..mel import standardised
from ..studio.console import pan_gains

GAIN_RANGE_DB = 30.0  # a fader moves a track by at most that, as the generator's


class GainPanNetwork(nn.Module):
    """One gain and one position for each track, which is all that it can do to a sound.

    The differentiable mixing console of Steinmetz et al. (2021) without its effects: one encoder listens to every
    track, the mean of all tracks is the context, and a network that sees track, context and style sets the track's
    fader and pan pot. So a silent track stays silent.

    Args:
        mels: F of the envelopes that it hears.
        frames: of 10 ms in a window in use; its mean over time makes one setting for a window.
        width: of what the encoder says of a track.
        hidden: of the network that sets fader and pan pot.
    """

    def __init__(self, mels: int = 80, frames: int = 512, width: int = 144, hidden: int = 256):
        super().__init__()
        self.shape = {"mels": mels, "frames": frames, "width": width, "hidden": hidden}
        self.encoder = nn.Sequential(
            nn.Conv1d(mels, width, 5, stride=2, padding=2),
            nn.GELU(),
            nn.Conv1d(width, width, 5, stride=2, padding=2),
            nn.GELU(),
            nn.Conv1d(width, width, 5, stride=2, padding=2),
            nn.GELU(),
        )
        self.role = nn.Embedding(len(ROLES), width)
        self.style = nn.Embedding(len(STYLES), width)
        self.decide = nn.Sequential(
            nn.Linear(3 * width, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, 2)
        )
        # Starts with every pan pot in the centre: the loss on the side of a mix, which knows no left from right, would
        # pull a track further to the side that chance gave it; in the centre the loss on left and right decides.
        nn.init.zeros_(self.decide[-1].weight)
        nn.init.zeros_(self.decide[-1].bias)

    def settings(self, envelope: Tensor, roles: Tensor, style: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """The console's settings: gain in dB and pan, -1 left to 1 right, both (B, N). Arguments as :meth:`forward`."""
        tracks = self.encoder(standardised(envelope).flatten(0, 1).mT).mean(-1).unflatten(0, envelope.shape[:2])
        tracks = tracks + self.role(roles)
        context = torch.stack([mean_of_present(tracks, present), self.style(style)], dim=1).flatten(1)
        gain, pan = self.decide(torch.cat([tracks, _for_each(context, tracks)], dim=-1)).unbind(-1)
        return _decibels(gain), torch.tanh(pan)

    def forward(self, envelope: Tensor, dry: Tensor, roles: Tensor, style: Tensor, present: Tensor) -> Tensor:
        """Wet tracks (B, N, 2, samples).

        Args:
            envelope: of the levelled dry tracks (B, N, ceil(T / 8), F), natural log.
            dry: their sound (B, N, 2, samples), of the same window or a part of it.
            roles: (B, N) indices into ROLES.
            style: (B,) indices into STYLES.
            present: (B, N) bool, False for silent or padded tracks, which nobody hears.
        """
        gain, pan = self.settings(envelope, roles, style, present)
        fader = amplitude(gain) * present
        return dry * (fader[..., None] * pan_gains(pan))[..., None]


class WaveUNet(nn.Module):
    """Waveform in, waveform out: it can learn any effect that fits into its window.

    The U-Net of Stoller et al. (2018) with fewer levels of a larger stride: strided convolutions, linear upsampling,
    skip connections by concatenation. Its last convolution makes four samples a step, a quarter of the work of one at
    full rate. Martínez Ramírez et al. (2021) mix drums with it, the tracks being the input's channels; here one U-Net
    works on each track, so that their number and order are free, and the tracks meet at the bottleneck: each sees the
    mean of all. The bottleneck also sets two faders over time, left and right, through which the dry track reaches the
    output, so that no level needs to pass through the filters: a U-Net without them learns levels slowly.

    Args:
        frames: of 10 ms at 44.1 kHz in a window in training and in use.
        channels: of each level. Each has a quarter of the time steps of the level above.
    """

    STRIDE, DOWN, UP = 4, 15, 5  # lengths of the filters as Stoller et al. have them
    INPUT_GAIN = 10.0  # tracks come at about -20 dBFS; the network shall see numbers about 1

    def __init__(self, frames: int = 36, channels: tuple[int, ...] = (24, 32, 64, 80, 112)):
        super().__init__()
        channels = tuple(channels)
        self.shape = {"frames": frames, "channels": channels}
        above, bottom, folded = channels[:-1], channels[-1], 2 * self.STRIDE
        self.down = nn.ModuleList(
            nn.Conv1d(a, b, self.DOWN, self.STRIDE, self.DOWN // 2) for a, b in zip((2, *above), channels, strict=True)
        )
        self.role = nn.Embedding(len(ROLES), bottom)
        self.style = nn.Embedding(len(STYLES), bottom)
        self.exchange = nn.Sequential(
            nn.Conv1d(3 * bottom, bottom, 1), nn.LeakyReLU(), nn.Conv1d(bottom, bottom, 1), nn.LeakyReLU()
        )
        self.faders = nn.Conv1d(bottom, 2, 1)
        nn.init.normal_(self.faders.weight, std=0.01)  # starts near the dry track
        nn.init.zeros_(self.faders.bias)
        self.up = nn.ModuleList(
            nn.Conv1d(skip + below, skip, self.UP, padding=self.UP // 2)
            for skip, below in zip(above, channels[1:], strict=True)
        )
        self.out = nn.Conv1d(channels[0] + folded, folded, self.UP, padding=self.UP // 2)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, envelope: Tensor, dry: Tensor, roles: Tensor, style: Tensor, present: Tensor) -> Tensor:
        """Wet tracks (B, N, 2, samples); zero where a track is absent.

        Args:
            envelope: not heard by this network; both are called alike.
            dry, roles, style, present: as for :class:`GainPanNetwork`.
        """
        samples = dry.shape[-1]
        audio = functional.pad(self.INPUT_GAIN * dry, (0, -samples % self.STRIDE ** len(self.down))).flatten(0, 1)
        x, levels = audio, []
        for layer in self.down:
            x = functional.leaky_relu(layer(x))
            levels.append(x)
        x = x.unflatten(0, roles.shape)  # (B, N, bottom, steps)
        labels = self.role(roles) + self.style(style)[:, None]
        seen = [x, _for_each(mean_of_present(x, present), x), labels[..., None].expand_as(x)]
        x = self.exchange(torch.cat(seen, dim=2).flatten(0, 1))
        faders = functional.interpolate(amplitude(_decibels(self.faders(x))), audio.shape[-1], mode="linear")
        for layer, skip in zip(reversed(self.up), reversed(levels[:-1]), strict=True):
            x = functional.interpolate(x, skip.shape[-1], mode="linear")
            x = functional.leaky_relu(layer(torch.cat([skip, x], dim=1)))
        folded = audio.unflatten(-1, (-1, self.STRIDE)).movedim(-1, 2).flatten(1, 2)  # (B * N, 8, steps)
        wet = self.out(torch.cat([x, folded], dim=1)).unflatten(1, (2, self.STRIDE)).movedim(2, -1).flatten(2)
        wet = wet + faders * audio
        return wet.unflatten(0, roles.shape)[..., :samples] / self.INPUT_GAIN * present[..., None, None]


def mean_of_present(x: Tensor, present: Tensor) -> Tensor:
    """Mean of x (B, N, ...) over the tracks that are present (B, N): (B, ...); 0 where none is."""
    mask = present.reshape(*present.shape, *[1] * (x.ndim - 2))
    return torch.where(mask, x, 0.0).sum(1) / mask.sum(1).clamp_min(1)


def _decibels(x: Tensor) -> Tensor:
    """What a network says of a fader, about -1..1 at first -> dB within the faders' range, 10 dB a unit near 0."""
    return GAIN_RANGE_DB * torch.tanh(x / (GAIN_RANGE_DB / 10))


def _for_each(context: Tensor, tracks: Tensor) -> Tensor:
    """What all tracks (B, N, ...) of a song share (B, ...), once for each."""
    return context[:, None].expand(-1, tracks.shape[1], *context.shape[1:])
