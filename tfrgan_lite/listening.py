"""A song as the generator hears it: how loud each track is, and window by window what it is made of. Chapter 12."""

import torch
from torch import Tensor
from tqdm.auto import tqdm

from .audio import amplitude
from .config import Architecture
from .generator import Generator
from .heads import Console
from .prepare import SILENCE_LUFS, TRACK_LUFS, Listened, front, mel_power, middle_and_side, read_meters
from .studio import ears
from .studio.tracks import Tracks

EDGE = 2  # frames on each side without which a sample is not whole
HELD = 50  # frames of the loudness measurement that are read at a time


class Listener:
    """A song, its tracks read piece by piece, on its way to a generator.

    Args:
        tracks: the song.
        generator: a trained generator.
        progress: show a bar.

    Raises:
        UserError: for tracks that cannot be read.
    """

    def __init__(self, tracks: Tracks, generator: Generator, progress: bool = False):
        self.tracks, self.rate = tracks, tracks.sample_rate
        self.generator = generator.eval()
        self.device = next(generator.parameters()).device
        self.shape = generator.architecture
        self.stft = front(self.rate, self.shape.mels).stft
        self.hop, self.frames = self.stft.hop_length, self.stft.frames(tracks.samples)
        self.bar = lambda steps, task: tqdm(steps, task, disable=not progress, unit="window")
        # A song of one window is heard and rendered from the same spectra (1 or 2, T + 1, K) and powers (T, F).
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}
        self._measure()

    def _measure(self) -> None:
        """Loudness of each track and of its blocks, and whether it has two different channels."""
        size = ears.frame(self.rate)
        self.wide = [False] * len(self.tracks.names)
        # Kept in one place: small tensors between large ones that come and go would hold the song's length of memory.
        powers = torch.empty(len(self.wide), -(-self.tracks.samples // size))
        for first in range(0, powers.shape[1], HELD):
            stop = min((first + HELD) * size, self.tracks.samples)
            for k, found in enumerate(powers):
                audio = self.tracks.read(k, first * size, stop)
                self.wide[k] = self.wide[k] or len(audio) == 2 and not torch.equal(*audio)
                found[first : first + HELD] = ears.powers(audio, self.rate)
        power = ears.blocks(powers)
        lufs, self.heard = ears.gated(power)
        self.present = lufs > SILENCE_LUFS
        self.trim_db = torch.where(self.present, TRACK_LUFS - lufs, 0.0)
        self.power = power * 10 ** (self.trim_db / 10)[:, None]  # (N, blocks) of the levelled tracks
        self.middle_of_block = (torch.arange(power.shape[1]) + 2) * size

    def spectrum(self, track: int, first: int, last: int) -> Tensor:
        """Complex spectra (1 or 2, last - first, K) of a track at -23 LUFS, from a frame to before another."""
        if track in self._kept:
            return self._kept[track][0][:, first:last]
        audio = self.tracks.read(track, (first - EDGE) * self.hop, (last + EDGE) * self.hop)
        audio = audio[: 1 + self.wide[track]] * (amplitude(self.trim_db[track]) * self.present[track])
        return self.stft(audio)[:, EDGE:-EDGE]

    def middle(self, track: int, first: int, last: int) -> Tensor:
        """Mel power (last - first, F) of a track's middle, of frames within the song."""
        if track in self._kept:
            return self._kept[track][1][first:last]
        spectrum = self.spectrum(track, first, last)
        return mel_power(spectrum.mean(0), self.rate, self.shape.mels)

    def windows(self) -> list[tuple[int, int]]:
        """First frame and the one after the last of each window, which starts where a token does.

        A quarter or so lies in the next window. The last one reaches back, so that the network hears as much there as
        elsewhere.
        """
        length, stride = self.shape.frames, self.shape.hop  # of the network, in frames
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
            spectrum = self.spectrum(k, first, last + 1)  # the song's end is rendered with one more frame
            audio = self.tracks.read(k, first * self.hop, min(last * self.hop, self.tracks.samples))
            middle, side = middle_and_side(spectrum[:, :-1], self.rate, self.shape.mels)
            found.append((middle, side, torch.maximum(audio.max(), -audio.min())))
            if self.frames <= self.shape.frames:
                self._kept[k] = spectrum, middle
        middle, side, peak = (torch.stack(column) for column in zip(*found, strict=True))
        turned = turn_up.square()[:, None, None]
        peak = peak * amplitude(self.trim_db) * turn_up
        return read_meters(middle * turned, side * turned, peak), blocks, (middle + side).mean(1)


class Settling:
    """Sums over windows, from which a take's console and tokens are settled."""

    def __init__(self, tracks: int, tokens: int, shape: Architecture):
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
        given.append(console.answer.cpu() * weight.sum())
        self.sums = given if self.sums is None else [a + b for a, b in zip(self.sums, given, strict=True)]
        self.weight += weight
        self.pair_weight += weight[:, None] * weight

    def settled(self) -> tuple[Console, Tensor]:
        """The console, without a master, and the tokens."""
        *settings, coupling, answer = self.sums
        gain, pan, send, bands = (x / (self.weight[:, None] if x.ndim == 3 else self.weight) for x in settings)
        answer, coupling = answer / self.weight.sum(), coupling / self.pair_weight
        console = Console(gain, pan, bands, send.exp(), answer, coupling, gain.new_zeros(1))
        return console, self.tokens / self.token_weight
