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
from tqdm.auto import tqdm

from .audio import amplitude
from .config import Architecture
from .errors import UserError
from .generator import Console, FineHead, Generator, channel_gains, send_gains
from .labels import role_index, style_index
from .mel import FLOOR, mel_to_bins
from .prepare import SILENCE_LUFS, TRACK_LUFS, Listened, front, middle_and_side, read_meters, room
from .sides import PANNED, draw_sides
from .studio import ears
from .studio.console import reverb
from .studio.master import Meter, master_gains
from .studio.tracks import Tracks, tracks_of

TEMPERATURE = 0.5  # of the draw of the sides
EDGE = 2  # frames on each side without which a sample is not whole
HELD = 100  # frames of the loudness measurement that are read at a time


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
    takes = mixer.takes([seed])
    wet = torch.cat([block for _, block in mixer.blocks(takes, stems=True)], dim=-1)
    mix = wet.sum(0)
    meter = Meter(sample_rate)
    meter.hear(mix)
    gain_db, _ = mixer.master(meter)
    gains = master_gains(lambda start, stop: mix[:, start:stop], mix.shape[-1], sample_rate, gain_db)
    gain = torch.cat([gain for _, gain in gains])
    return mix * gain, wet * gain


@dataclass
class Take:
    """One mix of a song, decided: the same song and seed give the same take."""

    seed: int
    mirrored: bool  # left and right exchanged, the room's included
    console: Console  # (1, N, ...) for the whole song
    tokens: Tensor  # (1, N, tokens of the song, d_model)


class Mixer:
    """A song on its way through the generator.

    Args:
        tracks: the song.
        style: one of STYLES.
        generator: a trained generator; the shipped one if None.
        progress: show a bar.

    Raises:
        UserError: for an unknown style, or tracks that cannot be read.
    """

    def __init__(self, tracks: Tracks, style: str, generator: Generator | None = None, progress: bool = False):
        self.style = style_index(style)
        self.tracks, self.rate = tracks, tracks.sample_rate
        self.generator = (generator or _shipped()).eval()
        self.device = next(self.generator.parameters()).device
        self.shape = self.generator.architecture
        self.stft = front(self.rate, self.shape.mels).stft
        self.hop, self.frames = self.stft.hop_length, self.stft.frames(tracks.samples)
        self.to_bins = mel_to_bins(self.rate, self.stft.n_fft, self.shape.mels).to(self.device)
        self.bar = lambda steps, task: tqdm(steps, task, disable=not progress, unit="window")
        self._last: dict[int, tuple[int, int, Tensor]] = {}  # the last spectrum of each track
        self._measure()

    def _measure(self) -> None:
        """Loudness of each track and of its blocks, and whether it has two different channels."""
        size = ears.frame(self.rate)
        self.wide = [False] * len(self.tracks.names)
        powers: list[list[Tensor]] = [[] for _ in self.wide]
        for start in range(0, self.tracks.samples, HELD * size):
            stop = min(start + HELD * size, self.tracks.samples)
            for k, found in enumerate(powers):
                audio = self.tracks.read(k, start, stop)
                self.wide[k] |= not torch.equal(audio[0], audio[-1])
                found.append(ears.powers(audio, self.rate))
        power = ears.blocks(torch.stack([torch.cat(found) for found in powers]))
        lufs, self.heard = ears.gated(power)
        self.present = lufs > SILENCE_LUFS
        self.trim_db = torch.where(self.present, TRACK_LUFS - lufs, 0.0)
        self.power = power * 10 ** (self.trim_db / 10)[:, None]  # (N, blocks) of the levelled tracks
        self.middle_of_block = (torch.arange(power.shape[1]) + 2) * size

    def spectrum(self, track: int, first: int, last: int) -> Tensor:
        """Complex spectra (1 or 2, last - first, K) of a track at -23 LUFS, from a frame to before another."""
        seen_first, seen_last, seen = self._last.get(track, (0, 0, None))
        if seen_first <= first and last <= seen_last:
            return seen[:, first - seen_first : last - seen_first]
        audio = self.tracks.read(track, (first - EDGE) * self.hop, (last + EDGE) * self.hop)
        audio = audio[: 1 + self.wide[track]] * (amplitude(self.trim_db[track]) * self.present[track])
        spectrum = self.stft(audio)[:, EDGE:-EDGE]
        if self.frames <= self.shape.frames:  # a song of one window is heard and rendered from the same spectra
            self._last[track] = first, last, spectrum
        return spectrum

    def windows(self) -> list[tuple[int, int]]:
        """First frame and the one after the last of each window, which starts where a token does.

        A quarter or so lies in the next window. The last one reaches back, so that the network hears as much there as
        elsewhere.
        """
        length, stride = self.shape.frames, self.shape.hop
        step = max(1, int(0.75 * length / stride)) * stride
        last = -(-max(0, self.frames - length) // stride) * stride
        starts = [*range(0, last, step), last]
        return [(start, min(start + length, self.frames)) for start in starts]

    def listen(self, first: int, last: int) -> tuple[Listened, Tensor, Tensor]:
        """What the network hears of a window, where each track that plays is at -23 LUFS again; how many blocks of each
        track count for its loudness (N,); and the mean mel power (N, F) of the tracks as they are in the song."""
        inside = (self.middle_of_block >= first * self.hop) & (self.middle_of_block < last * self.hop)
        if last == self.frames:
            inside |= self.middle_of_block >= last * self.hop
        counted = self.heard & inside
        blocks = counted.sum(1)
        lufs = 10 * torch.log10(((self.power * counted).sum(1) / blocks.clamp_min(1)).clamp_min(1e-12)) - 0.691
        turn_up = torch.where(blocks > 0, amplitude(TRACK_LUFS - lufs), 1.0)
        found = []
        for k in range(len(self.wide)):
            # The end of the song is heard with one more frame, which rendering needs.
            spectrum = self.spectrum(k, first, last + (last == self.frames))[:, : last - first]
            audio = self.tracks.read(k, first * self.hop, min(last * self.hop, self.tracks.samples))
            found.append((*middle_and_side(spectrum, self.rate, self.shape.mels), audio.abs().max()))
        middle, side, peak = (torch.stack(column) for column in zip(*found, strict=True))
        turned = turn_up.square()[:, None, None]
        peak = peak * amplitude(self.trim_db) * turn_up
        return read_meters(middle * turned, side * turned, peak), blocks, (middle + side).mean(1)

    @torch.no_grad()
    def takes(self, seeds: Sequence[int]) -> list[Take]:
        """Listen to the whole song once, and decide a take for each seed."""
        for seed in seeds:
            if not 0 <= seed < 2**63:
                raise UserError(f"seed: {seed} is out of range; give 0 or a positive whole number")
        sources = [torch.Generator().manual_seed(seed) for seed in seeds]
        draws = [_draw(source, self.shape) for source in sources]
        tokens = -(-self.frames // self.shape.hop)
        sums = [_Settling(len(self.wide), tokens, self.shape) for _ in seeds]
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

    @torch.no_grad()
    def blocks(self, takes: Sequence[Take], stems: bool) -> Iterator[tuple[int, Tensor]]:
        """Render takes side by side, before the master, in pieces as long as a window: of each piece and each take, the
        take's place in the list and its wet stems (N, 2, samples), or else its mix (2, samples)."""
        impulse = room(self.rate)
        rows = len(self.wide) if stems else 1
        rooms = [[Room(impulse.flip(0) if take.mirrored else impulse) for _ in range(rows)] for take in takes]
        for first in self.bar(range(0, self.frames, self.shape.frames), "mixing"):
            last = min(first + self.shape.frames, self.frames)
            begin, end = max(first - EDGE, 0), min(last + EDGE, self.frames + 1)
            heard = [self._around(track, begin, end) for track in range(len(self.wide))]
            keep = slice((first - begin) * self.hop, min(last * self.hop, self.tracks.samples) - begin * self.hop)
            for place, take in enumerate(takes):
                buses = self._buses(take, heard, begin, stems)
                audio = [self._sound(bus, answer, keep) for bus, answer in zip(buses, rooms[place], strict=True)]
                yield place, torch.stack(audio) if stems else audio[0]

    def _around(self, track: int, begin: int, end: int) -> tuple[Tensor, Tensor]:
        """Spectra (1 or 2, end - begin, K) of a track, and X (frames, F) of them and of the fine head's margin."""
        margin = FineHead.MARGIN
        low, high = max(begin - margin, 0), min(end + margin, self.frames)
        spectrum = self.spectrum(track, low, max(high, end))
        middle, _ = middle_and_side(spectrum[:, : high - low], self.rate, self.shape.mels)
        outside = (0, 0, low - begin + margin, end + margin - high)
        return spectrum[:, begin - low : end - low], pad(torch.log(middle + FLOOR), outside, value=math.log(FLOOR))

    def _buses(self, take: Take, heard: list[tuple[Tensor, Tensor]], begin: int, stems: bool) -> Iterator[Tensor]:
        """Spectra of left, right and send (3, T, K), of each track, or of all together."""
        sums = None
        for k, (spectrum, around) in enumerate(heard):
            console = _of_track(take.console, k)
            tokens = take.tokens[:, k : k + 1]
            fine = self.generator.refine(tokens, console, around[None, None].to(self.device), begin)
            gains = channel_gains(console, *fine, self.to_bins)[0, 0].cpu()
            gains = gains.flip(0) if take.mirrored else gains
            send = spectrum.mean(0, keepdim=True) * send_gains(console, self.to_bins)[0, 0].cpu()
            bus = torch.cat([gains * spectrum, send])
            if stems:
                yield bus
            else:
                sums = bus if sums is None else sums.add_(bus)
        if not stems:
            yield sums

    def _sound(self, bus: Tensor, answer: "Room", keep: slice) -> Tensor:
        """The samples (2, samples) to keep of a bus's spectra (3, T, K)."""
        audio = self.stft.inverse(bus, keep.stop)[:, keep]
        return audio[:2] + answer(audio[2])

    def master(self, meter: Meter) -> tuple[float, float]:
        """The master's gain in dB, before the limiter, of a mix that the meter has heard, and its loudness in LUFS."""
        if not self.present.any():
            return 0.0, SILENCE_LUFS
        return meter.gain_to(float(self.generator.style_lufs[self.style]))


class Room:
    """A room's answer to a send that comes in pieces: one convolution, whatever the pieces."""

    def __init__(self, impulse: Tensor):
        self.impulse = impulse
        self.before = torch.zeros(impulse.shape[-1] - 1)

    def __call__(self, send: Tensor) -> Tensor:
        """The next piece (samples,) -> the answer's next piece (2, samples)."""
        heard = torch.cat([self.before, send])
        self.before = heard[len(heard) - len(self.before) :].clone()
        return reverb(heard[None], 0, self.impulse)[:, -len(send) :]


class _Settling:
    """Sums over windows, from which a take's console and tokens are settled."""

    def __init__(self, tracks: int, tokens: int, shape):
        self.weight, self.pair_weight = torch.zeros(tracks), torch.zeros(tracks, tracks)
        self.sums = None
        self.tokens = torch.zeros(1, tracks, tokens, shape.d_model)
        self.token_weight = torch.zeros(tokens, 1)
        self.overlap = -(-shape.frames // shape.hop) - max(1, int(0.75 * shape.frames / shape.hop)) + 1

    def add(self, start: int, fade_in: bool, fade_out: bool, blocks: Tensor, h: Tensor, console: Console) -> None:
        """A window from token `start` on, in which `blocks` of each track count."""
        count = h.shape[2]
        ramp = torch.arange(1, count + 1) / self.overlap
        fade = torch.ones(count)
        if fade_in:
            fade = torch.minimum(fade, ramp)
        if fade_out:
            fade = torch.minimum(fade, ramp.flip(0))
        self.tokens[:, :, start : start + count] += h.cpu() * fade[:, None]
        self.token_weight[start : start + count] += fade[:, None]
        weight = blocks + 1e-6  # a track that never plays has settings, too
        # The master fader of a window depends on who plays in it: it comes last.
        given = (console.gain - console.master[:, None], console.pan, console.send.clamp_min(1e-9).log(), console.bands)
        given = [x.cpu() * (weight[:, None] if x.ndim == 3 else weight) for x in given]
        given.append(console.coupling.cpu() * weight[:, None] * weight)
        self.sums = given if self.sums is None else [a + b for a, b in zip(self.sums, given, strict=True)]
        self.weight += weight
        self.pair_weight += weight[:, None] * weight

    def settled(self) -> tuple[Console, Tensor]:
        """The console, without a master, and the tokens."""
        *settings, coupling = self.sums
        gain, pan, send, bands = (x / (self.weight[:, None] if x.ndim == 3 else self.weight) for x in settings)
        return Console(
            gain, pan, bands, send.exp(), coupling / self.pair_weight, gain.new_zeros(1)
        ), self.tokens / self.token_weight


def _draw(source: torch.Generator, shape: Architecture) -> tuple[Tensor, bool]:
    z = torch.randn(1, shape.z, generator=source)
    return z, shape.mirror and bool(torch.randint(2, (1,), generator=source))


def _of_track(console: Console, track: int) -> Console:
    one = slice(track, track + 1)
    settings = (x[:, one] for x in (console.gain, console.pan, console.bands, console.send))
    return Console(*settings, console.coupling[:, one, one], console.master)
