"""Whole songs of any length through a trained generator. Chapter 12 and the command line.

The console is set once for a song, as an engineer does: the network listens to overlapping windows of the length that
it was trained on, and its settings are averaged, each track's by how much it plays in each. What the tokens say of each
moment fades from window to window; from them the fine head works on every frame of the song once. So sound is cut
nowhere: there is one run of spectra, and one convolution with the room.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import pad

from .config import Architecture
from .errors import UserError
from .generator import Generator, channel_gains, send_gains
from .heads import Console, FineHead
from .labels import role_index, style_index
from .listening import EDGE, Listener, Settling
from .mel import FLOOR, mel_to_bins
from .memory import keep_freed_memory
from .prepare import SILENCE_LUFS, room
from .rendering import Room, add_sent, add_turned, overlap_add, strips_of
from .sides import PANNED, draw_sides
from .studio.master import Meter, master_gains
from .studio.tracks import Tracks, tracks_of

TEMPERATURE = 0.5  # of the draw of the sides
SPREAD = 1.0  # of the draw of z, a standard deviation: as trained
ROOM_BLOCKS = 6  # that the room transforms at once, of one row or of several: one alone would take as long as four


@lru_cache(maxsize=1)
def _shipped() -> Generator:
    return Generator.from_pretrained()


@torch.no_grad()
def mix_song(
    stems: Tensor,
    sample_rate: int,
    style: str,
    seed: int = 0,
    roles: tuple[str, ...] | None = None,
    generator: Generator | None = None,
    progress: bool = False,
) -> tuple[Tensor, Tensor]:
    """Mix a song.

    Args:
        stems: dry tracks (N, 1 or 2, samples), N from 1 to 16.
        sample_rate: Hz, 8000 to 192000.
        style: one of STYLES.
        seed: of the noise z and of the coin that decides which side is left; another seed is another take.
        roles: one of ROLES for each track, ``other`` if None.
        generator: a trained generator; the shipped one if None.
        progress: show a bar over the song's windows of ten seconds or so.

    Returns:
        The mix (2, samples), at the mean loudness of the style's mixes where 12 dB of limiting suffice for it, true
        peak at most -1 dBTP, and the wet stems (N, 2, samples), whose sum it is.

    Raises:
        UserError: for stems, a sample rate, a style or a role that cannot be mixed.
    """
    mixer = Mixer(tracks_of(stems, sample_rate, roles), style, generator, progress)
    return mixer.finished(mixer.takes([seed])[0])


@dataclass
class Take:
    """One mix of a song, decided: the same song and seed give the same take."""

    seed: int
    mirrored: bool  # left and right exchanged, the room's included
    console: Console  # (1, N, ...) for the whole song
    tokens: Tensor  # (1, N, tokens of the song, d_model)


class Mixer(Listener):
    """A song on its way through the generator.

    Args:
        tracks: the song.
        style: one of STYLES.
        generator: a trained generator; the shipped one if None.
        progress: show a bar.
        spread: of z, a standard deviation: 1 as trained, 0 for the same mix whatever the seed, but for the sides.

    Raises:
        UserError: for an unknown style, or tracks that cannot be read.
    """

    def __init__(
        self,
        tracks: Tracks,
        style: str,
        generator: Generator | None = None,
        progress: bool = False,
        spread: float = SPREAD,
    ):
        self.style, self.spread = style_index(style), spread
        keep_freed_memory()  # every piece asks for the same sizes again
        super().__init__(tracks, generator or _shipped(), progress)
        self.to_bins = mel_to_bins(self.rate, self.stft.n_fft, self.shape.mels)
        self.strips = strips_of(self.to_bins)

    @torch.no_grad()
    def takes(self, seeds: Sequence[int]) -> list[Take]:
        """Listen to the whole song once, and decide a take for each seed."""
        for seed in seeds:
            if not 0 <= seed < 2**63:
                raise UserError(f"seed: {seed} is out of range; give 0 or a positive whole number")
        sources = [torch.Generator().manual_seed(seed) for seed in seeds]
        draws = [_draw(source, self.shape, self.spread) for source in sources]
        tokens = -(-self.frames // self.shape.hop)
        sums = [Settling(len(self.wide), tokens, self.shape) for _ in seeds]
        roles = torch.tensor([[role_index(role) for role in self.tracks.roles]])
        power = torch.zeros(len(self.wide), self.shape.mels)
        for first, last in self.bar(self.windows(), "listening"):
            heard, blocks, mean_power = self.listen(first, last)
            power += mean_power * (last - first)
            present = self.present & (blocks > 0)
            given = (heard.envelope[None], heard.meters[None], roles, torch.tensor([self.style]))
            for (z, _), settling in zip(draws, sums, strict=True):
                inputs = (x.to(self.device) for x in (*given, z, present[None]))
                h, console, _ = self.generator.settle(*inputs)
                settling.add(first // self.shape.hop, first > 0, last < self.frames, blocks, h, console)
        made = []
        for seed, source, (_, mirrored), settling in zip(seeds, sources, draws, sums, strict=True):
            console, h = settling.settled()
            present = self.present[None].to(self.device)
            if self.shape.mirror:
                console = console.facing(self._sides(console, roles, power, source))
            # The master fader, again, for the song as a whole.
            console.master = self.generator.coarse.master(console, power[None].to(self.device) / self.frames, present)
            console.gain = console.gain + console.master[:, None]
            made.append(Take(seed, mirrored, console, h))
        return made

    def _sides(self, console: Console, roles: Tensor, power: Tensor, source: torch.Generator) -> Tensor:
        """Draw the sides (1, N) of the tracks, in order of role and then of dullness, so that any order is as good."""
        centre = (power * torch.arange(power.shape[1])).sum(1) / power.sum(1).clamp_min(FLOOR)
        order = (roles[0] * power.shape[1] + centre).argsort()
        panned = self.present[None] & (console.pan > PANNED)
        coupling = console.coupling[:, order][:, :, order]
        sides = draw_sides(coupling, panned[:, order], roles[:, order], TEMPERATURE, source)
        return sides[:, order.argsort()]

    def finished(self, take: Take, stems: bool = True) -> tuple[Tensor, Tensor | None]:
        """A take, rendered and mastered: the mix (2, samples) and, with ``stems``, which cost a third more, the wet
        stems (N, 2, samples), whose sum it is."""
        sound = torch.cat([block for _, block in self.blocks([take], stems)], dim=-1)
        mix = sound.sum(0) if stems else sound
        gain, *_ = self.over_time(mix)
        return mix.mul_(gain), sound.mul_(gain) if stems else None

    @torch.no_grad()
    def blocks(self, takes: Sequence[Take], stems: bool) -> Iterator[tuple[int, Tensor]]:
        """Render takes side by side, before the master, in pieces of ten seconds or less: of each piece and each take,
        the take's place in the list and its wet stems (N, 2, samples), or else its mix (2, samples)."""
        impulse, rows = room(self.rate), len(self.wide) if stems else 1
        rooms = [Room(impulse.flip(0) if take.mirrored else impulse, rows) for take in takes]
        piece = max(2, ROOM_BLOCKS // rows) * rooms[0].hop // self.hop
        for first in self.bar(range(0, self.frames, piece), "mixing"):
            last = min(first + piece, self.frames)
            begin, end = max(first - EDGE, 0), min(last + EDGE, self.frames + 1)
            heard = [self._around(track, begin, end) for track in range(len(self.wide))]
            keep = slice((first - begin) * self.hop, min(last * self.hop, self.tracks.samples) - begin * self.hop)
            for place, take in enumerate(takes):
                buses = self._buses(take, heard, begin, stems)
                audio = torch.stack([overlap_add(bus, self.stft)[:, keep] for bus in buses])
                audio = audio[:, :2].add_(rooms[place](audio[:, 2]))
                yield place, audio if stems else audio[0]

    def _around(self, track: int, begin: int, end: int) -> tuple[Tensor, Tensor]:
        """Spectra (1 or 2, end - begin, K) of a track, and X (frames, F) of them and of the fine head's margin."""
        low, high = max(begin - FineHead.MARGIN, 0), min(end + FineHead.MARGIN, self.frames)
        log_mel = torch.log(self.middle(track, low, high) + FLOOR)
        outside = (0, 0, low - begin + FineHead.MARGIN, end + FineHead.MARGIN - high)
        return self.spectrum(track, begin, end), pad(log_mel, outside, value=math.log(FLOOR))

    def _buses(self, take: Take, heard: list[tuple[Tensor, Tensor]], begin: int, stems: bool) -> Iterator[Tensor]:
        """Spectra of left, right and send (3, T, K), of each track, or of all together."""
        bus = torch.zeros(3, *heard[0][0].shape[1:], dtype=torch.complex64)
        for k, (spectrum, around) in enumerate(heard):
            console, tokens = _of_track(take.console, k), take.tokens[:, k : k + 1]
            fine = self.generator.refine(tokens, console, around[None, None].to(self.device), begin)
            gains = torch.stack(channel_gains(console, *fine))[:, 0, 0].cpu()  # (real or imaginary, 2, T, F)
            add_turned(bus[:2], gains.flip(1) if take.mirrored else gains, spectrum, self.strips)
            add_sent(bus[2], send_gains(console)[0, 0].cpu() @ self.to_bins, spectrum)
            if stems:
                yield bus
                bus.zero_()
        if not stems:
            yield bus

    def master(self, meter: Meter) -> tuple[float, float]:
        """The master's gain in dB, before the limiter, of a mix that the meter has heard, and its loudness in LUFS."""
        if not self.present.any():
            return 0.0, SILENCE_LUFS
        return meter.gain_to(float(self.generator.style_lufs[self.style]))

    def over_time(self, mix: Tensor) -> tuple[Tensor, float, float]:
        """The master's gain over time, (samples,), for a whole mix (2, samples), and what :meth:`master` gives."""
        meter = Meter(self.rate)
        meter.hear(mix)
        gain_db, lufs = self.master(meter)
        gains = master_gains(lambda start, stop: mix[:, start:stop], mix.shape[-1], self.rate, gain_db)
        return torch.cat([gain for _, gain in gains]), gain_db, lufs


def _draw(source: torch.Generator, shape: Architecture, spread: float) -> tuple[Tensor, bool]:
    z = spread * torch.randn(1, shape.z, generator=source)
    return z, shape.mirror and bool(torch.randint(2, (1,), generator=source))


def _of_track(console: Console, track: int) -> Console:
    one = slice(track, track + 1)
    settings = (x[:, one] for x in (console.gain, console.pan, console.bands, console.send))
    return Console(*settings, console.answer, console.coupling[:, one, one], console.master)
