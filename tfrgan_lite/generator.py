"""G, the multi-track generator: dry log-mels, noise and a style label in; wet spectra of every track out. Chapter 08.

The network decides (:class:`Decision`) how each track's own complex spectrum shall change; :func:`render`
multiplies spectra. So the cost of the network does not depend on the sample rate, and silence stays silent.
"""

import json
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from math import log
from pathlib import Path

import torch
import torch.nn.functional as functional
from safetensors import SafetensorError
from scipy.signal import sosfreqz
from torch import Tensor, nn

from .audio import k_weighting
from .config import Architecture
from .errors import UserError
from .files import load_tensors, save_tensors
from .labels import STYLES
from .mel import mel_points, standardised
from .positional import TrackTimePosition
from .prepare import EXTRA_METERS, MASTER_LUFS, POOL, REFERENCE_RATE, front, room_power
from .serialize import TokenEmbedding
from .sides import Coupling, overlaps
from .studio.console import pan_gains
from .transformer import TFRDecoder, TFREncoder

WEIGHTS = Path(__file__).parent / "weights" / "generator.safetensors"
NEPER_DB = 20 / log(10)  # dB in a natural logarithm of amplitude
GAIN_RANGE = 3.5  # nats: the coarse head moves a track by at most 30 dB
BAND_RANGE = 2.0  # nats: the coarse and fine heads move a band by at most 17 dB each
PHASE_RANGE = torch.pi


@dataclass
class Console:
    """The coarse head's settings: one value a track, for the whole window. B songs, N tracks, F mel bands."""

    gain: Tensor  # (B, N) natural log of the fader's gain, the master's included
    pan: Tensor  # (B, N) -1 left to 1 right; how far out, 0 to 1, until the sides are known
    bands: Tensor  # (B, N, F) natural log of the broad bands' gain, interpolated to mel bands
    send: Tensor  # (B, N) amplitude ratio of the reverb send, after fader and bands
    coupling: Tensor  # (B, N, N) of :mod:`tfrgan_lite.sides`: who stands with whom
    master: Tensor  # (B,) natural log of the master's gain, already in ``gain``

    def first(self, songs: int) -> "Console":
        """The settings of the first ``songs`` songs."""
        return Console(*(setting[:songs] for setting in vars(self).values()))

    def facing(self, sides: Tensor) -> "Console":
        """The same with each track on its side (B, N): -1 left, 1 right; where it is 0 the track has none."""
        return replace(self, pan=self.pan * torch.where(sides == 0, 1.0, sides))


@dataclass
class Decision:
    """What shall become of each track: a console's settings, and what the fine head adds to them in each frame."""

    console: Console
    fine_gain: Tensor  # (B, N, 2, T, F) natural log of the fine head's gain, left and right
    fine_phase: Tensor  # (B, N, 2, T, F) radians
    kl: list[Tensor]  # of each TFR layer, (B, N, 1 + tokens, latent) in nats


def render(decision: Decision, dry: Tensor, reverb: Tensor, to_bins: Tensor) -> Tensor:
    """A decision becomes wet spectra: the channels' gains on the dry sound, and the send's on what the room answers.

    Args:
        dry: complex spectra (B, N, 2, T, K) of the levelled stems.
        reverb: the same of the stems through the package's fixed room.
        to_bins: (F, K) of :func:`tfrgan_lite.mel.mel_to_bins`.

    Returns:
        Complex wet spectra (B, N, 2, T, K).
    """
    console = decision.console.first(len(dry))
    gains = channel_gains(console, decision.fine_gain, decision.fine_phase, to_bins)
    return gains * dry + send_gains(console, to_bins)[:, :, None, None] * reverb


def channel_gains(console: Console, fine_gain: Tensor, fine_phase: Tensor, to_bins: Tensor) -> Tensor:
    """Complex gains (B, N, 2, T, K) of the dry sound's bins: coarse and fine gains (B, N, 2, T, F) add (the skip
    connection), phases turn."""
    fader = (console.gain[..., None] + console.bands)[:, :, None, None]  # (B, N, 1, 1, F)
    channel = pan_gains(console.pan)[..., None, None]  # (B, N, 2, 1, 1)
    # One complex gain a mel band, drawn out to the bins: far fewer exponentials than one a bin.
    magnitude = (fader + fine_gain).exp() * channel
    return torch.complex((magnitude * fine_phase.cos()) @ to_bins, (magnitude * fine_phase.sin()) @ to_bins)


def send_gains(console: Console, to_bins: Tensor) -> Tensor:
    """Gains (B, N, K) of the bins that a track sends to the room: after the fader and the broad bands."""
    return ((console.gain[..., None] + console.bands).exp() * console.send[..., None]) @ to_bins


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
    return fader * (direct + console.send.square()[..., None, None] * answer)


class CoarseHead(nn.Module):
    """What each track's tokens say together, and z -> console settings: fader, pan, broad bands, reverb send."""

    def __init__(self, d_model: int, bands: int, mels: int, z: int):
        super().__init__()
        self.mels = mels
        self.hidden = nn.Linear(d_model + z, 2 * d_model)
        self.out = nn.Linear(2 * d_model, 3 + bands)
        nn.init.normal_(self.out.weight, std=0.02)
        nn.init.zeros_(self.out.bias)
        self.coupling = Coupling(d_model)
        self.register_buffer("k_weights", k_weights(mels), persistent=False)

    def forward(self, h: Tensor, z: Tensor, meters: Tensor, present: Tensor) -> Console:
        """h (B, N, tokens, d_model), z (B, z), meters (B, N, 2 F + 2), present (B, N) -> settings, the sides open."""
        h, power = h.mean(2), self.power(meters)
        settings = self.out(functional.gelu(self.hidden(torch.cat([h, z[:, None].expand(-1, h.shape[1], -1)], dim=-1))))
        gain = GAIN_RANGE * torch.tanh(settings[..., 0] / GAIN_RANGE)
        pan = torch.sigmoid(2 * settings[..., 1] - 2)  # starts at 0.12
        send = (settings[..., 2] - 2).clamp(-7, 2).exp()  # starts at 0.14: -17 dB
        bands = BAND_RANGE * torch.tanh(settings[..., 3:] / BAND_RANGE)
        bands = functional.interpolate(bands, self.mels, mode="linear", align_corners=True)
        # The fader is set by ear, after the bands: what they change in a track's loudness is given back.
        before, after = ((x * self.k_weights).sum(-1) + 1e-9 for x in (power, power * (2 * bands).exp()))
        gain = gain - 0.5 * torch.log(after / before)
        coupling = self.coupling(h, overlaps(power * self.k_weights))
        console = Console(gain, pan, bands, send, coupling, gain.new_zeros(len(gain)))
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

    REACH = 2  # frames on each side that a convolution sees
    MARGIN = 2 * REACH  # of frames on each side that the head needs

    def __init__(self, mels: int, d_model: int, width: int):
        super().__init__()
        kernel = 2 * self.REACH + 1
        self.from_spectrum = nn.Conv1d(mels, width, kernel)
        self.from_tokens = nn.Linear(d_model, width)
        self.from_console = nn.Linear(mels + 3, width)
        self.refine = nn.Conv1d(width, width, kernel)
        self.out = nn.Linear(width, 4 * mels)
        nn.init.zeros_(self.out.weight)  # the refinement starts at nothing
        nn.init.zeros_(self.out.bias)

    def forward(self, around: Tensor, h: Tensor, console: Console) -> tuple[Tensor, Tensor]:
        """X about the T wanted frames (B, N, T + 2 MARGIN, F), the tokens drawn out to them (B, N, T, d_model), the
        coarse settings -> gain and phase (B, N, 2, T, F)."""
        batch, tracks, _, mels = around.shape
        settings = torch.cat([torch.stack([console.gain, console.pan, console.send], -1), console.bands], dim=-1)
        tokens = self.from_tokens(h) + self.from_console(settings)[:, :, None]
        x = self.from_spectrum(around.flatten(0, 1).mT)  # (B * N, width, T + 2 REACH)
        x = x[..., self.REACH : -self.REACH] + self.refine(functional.gelu(x))
        x = self.out(functional.gelu(x.mT.unflatten(0, (batch, tracks)) + tokens))
        gain, phase = x.unflatten(-1, (2, 2, mels)).movedim(2, 4).unbind(2)
        return BAND_RANGE * torch.tanh(gain / BAND_RANGE), PHASE_RANGE * torch.tanh(phase / PHASE_RANGE)


class Generator(nn.Module):
    """TFR-G: embedding, position, TFR encoder, start token of [z; style], causal TFR decoder, coarse and fine head.

    Works on any number of tracks in any order: permuting the tracks permutes the wet stems.
    """

    def __init__(self, architecture: Architecture | None = None):
        super().__init__()
        self.architecture = a = architecture or Architecture()
        self.embed = TokenEmbedding(a.mels, a.d_model, a.stride // POOL)
        self.read_meters = nn.Linear(2 * a.mels + EXTRA_METERS, a.d_model)
        self.position = TrackTimePosition(a.d_model, -(-a.frames // a.stride) + 1)
        self.encoder = TFREncoder(a.encoder_layers, a.d_model, a.heads, a.latent, a.attention)
        self.style = nn.Embedding(len(STYLES), a.d_model)
        self.start = nn.Sequential(nn.Linear(a.z + a.d_model, a.d_model), nn.GELU(), nn.Linear(a.d_model, a.d_model))
        self.decoder = TFRDecoder(a.decoder_layers, a.d_model, a.heads, a.latent, a.attention)
        self.coarse = CoarseHead(a.d_model, a.bands, a.mels, a.z)
        self.fine = FineHead(a.mels, a.d_model, a.fine)
        self.register_buffer("style_lufs", torch.full((len(STYLES),), MASTER_LUFS))  # of finished mixes, as learned

    def forward(
        self,
        envelope: Tensor,
        meters: Tensor,
        roles: Tensor,
        style: Tensor,
        z: Tensor,
        present: Tensor,
        around: Tensor,
        start: int,
        sides: Tensor,
        noise: torch.Generator | None = None,
    ) -> Decision:
        """Listen to all tracks and decide what each shall become.

        Args:
            envelope: of the levelled dry tracks (B, N, ceil(T / 8), F), natural log.
            meters: of each track (B, N, 2 F + 2), as :func:`tfrgan_lite.prepare.listen` reads them.
            roles: (B, N) indices into ROLES.
            style: (B,) indices into STYLES.
            z: noise (B, z), standard normal.
            present: (B, N) bool, False for silent or padded tracks, which nobody hears.
            around: X of the frames that the fine head shall refine and :attr:`FineHead.MARGIN` frames on each side (C,
                N, frames + 2 MARGIN, F), for the first C of the songs.
            start: the first of those frames in the song, without the margin.
            sides: (B, N) -1 left, 1 right, 0 neither: in training the engineer's, in use a draw from the coupling, see
                :func:`tfrgan_lite.sides.draw_sides`.
            noise: source of the β-VAE modules' samples in training.
        """
        tokens, console, kl = self.settle(envelope, meters, roles, style, z, present, noise)
        console = console.facing(sides)
        fine_gain, fine_phase = self.refine(tokens[: len(around)], console.first(len(around)), around, start)
        return Decision(console, fine_gain, fine_phase, kl)

    def settle(
        self,
        envelope: Tensor,
        meters: Tensor,
        roles: Tensor,
        style: Tensor,
        z: Tensor,
        present: Tensor,
        noise: torch.Generator | None = None,
    ) -> tuple[Tensor, Console, list[Tensor]]:
        """The first part of :meth:`forward`: what the decoder's tokens (B, N, tokens, d_model) say of each stretch of
        time, the console's settings, and the KL of each layer."""
        summary = self.read_meters(self.standardised(meters))[:, :, None]
        tokens = self.embed(standardised(envelope))
        memory, encoder_kl = self.encoder(self.position(torch.cat([summary, tokens], dim=2), roles), present, noise)
        first = self.start(torch.cat([z, self.style(style)], dim=-1))
        sequence = self.position(torch.cat([summary + first[:, None, None], tokens], dim=2), roles)
        h, decoder_kl = self.decoder(sequence, memory, present, noise)
        return h[:, :, 1:], self.coarse(h, z, meters, present), encoder_kl + decoder_kl

    def refine(self, tokens: Tensor, console: Console, around: Tensor, start: int = 0) -> tuple[Tensor, Tensor]:
        """The second part: the fine head's gain and phase (C, N, 2, frames, F) of the frames that ``around`` is about,
        ``start`` and on, by the tokens (C, N, tokens, d_model) of the song they are in."""
        drawn_out = self.draw_out(tokens, start, around.shape[-2] - 2 * FineHead.MARGIN)
        return self.fine(standardised(around), drawn_out, console)

    def draw_out(self, h: Tensor, start: int, frames: int) -> Tensor:
        """Tokens (B, N, tokens, d_model) -> (B, N, frames, d_model) from frame ``start`` on: straight lines between the
        tokens, each of which stands in the middle of its frames."""
        place = (torch.arange(start, start + frames, device=h.device) + 0.5) / self.architecture.stride - 0.5
        place = place.clamp(0, h.shape[2] - 1)[:, None]
        weights = (1 - (place - torch.arange(h.shape[2], device=h.device)).abs()).clamp_min(0)
        return weights @ h

    def standardised(self, meters: Tensor) -> Tensor:
        """Meters with their spectra brought to the range of the log-mel's :func:`tfrgan_lite.mel.standardised`."""
        spectra, rest = meters.split([2 * self.architecture.mels, EXTRA_METERS], dim=-1)
        return torch.cat([standardised(spectra), rest], dim=-1)

    def save(self, path: str | Path, card: dict) -> None:
        """Write weights, architecture and ``card`` (their history) as one safetensors file, whole or not at all."""
        metadata = {"architecture": json.dumps(asdict(self.architecture)), "card": json.dumps(card)}
        save_tensors(path, self.state_dict(), metadata)

    @classmethod
    def from_pretrained(cls, path: str | Path = WEIGHTS) -> "Generator":
        """The generator stored at ``path``, the shipped one by default, in evaluation mode. Its card is ``.card``.

        Raises UserError if the file is missing, damaged, or of another architecture than this version's code.
        """
        try:
            tensors, metadata = load_tensors(path)
            generator = cls(Architecture(**json.loads(metadata["architecture"])))
            generator.load_state_dict(tensors)
        except (OSError, SafetensorError) as error:
            raise UserError(f"{path}: cannot be read as safetensors weights ({error}); train them again") from error
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[-1].strip()
            raise UserError(f"{path}: weights do not fit this version ({reason}); train them again") from error
        generator.card = json.loads(metadata.get("card", "{}"))
        return generator.eval()


@lru_cache(maxsize=4)
def k_weights(mels: int) -> Tensor:
    """What a mean mel power of :func:`tfrgan_lite.prepare.mel_power` weighs in BS.1770's mean square: (F,)."""
    hz = mel_points(mels)[1:-1].numpy()
    response = sosfreqz(k_weighting(REFERENCE_RATE), hz, fs=REFERENCE_RATE)[1]
    stft = front(REFERENCE_RATE, mels).stft
    scale = 2 / (stft.n_fft * float(stft.window.square().sum()))  # Parseval, one-sided
    return torch.from_numpy(abs(response) ** 2 * scale).float()
