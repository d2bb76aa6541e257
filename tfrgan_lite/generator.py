"""G, the multi-track generator: dry log-mels, noise and a style label in; wet spectra of every track out. Chapter 08.

The network decides (:class:`Decision`) how each track's own complex spectrum shall change; :func:`render`
multiplies spectra. So the cost of the network does not depend on the sample rate, and silence stays silent.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from .beta_vae import Noise
from .config import Architecture
from .files import load_module, save_tensors
from .heads import CoarseHead, Console, FineHead
from .labels import STYLES
from .mel import standardised
from .positional import TrackTimePosition
from .prepare import EXTRA_METERS, MASTER_LUFS, POOL
from .serialize import PatchEmbedding, TokenEmbedding
from .studio.console import pan_gains
from .transformer import TFRDecoder, TFREncoder

WEIGHTS = Path(__file__).parent / "weights" / "generator.safetensors"
PATCH = 16  # bands and frames of the envelope in a patch


@dataclass
class Decision:
    """What shall become of each track: a console's settings, and what the fine head adds to them in each frame."""

    console: Console
    fine_gain: Tensor  # (B, N, 2, T, F) natural log of the fine head's gain, left and right
    fine_phase: Tensor  # (B, N, 2, T, F) radians
    kl: list[Tensor]  # of each TFR layer, (B, N, 1 + tokens, latent) in nats


@dataclass
class Hearing:
    """What the generator knows of a song before it decides."""

    summary: Tensor  # (B, N, 1, d_model) what the meters say
    tokens: Tensor  # (B, N, tokens, d_model) of the envelope
    memory: Tensor  # (B, N, 1 + tokens, d_model) of the encoder
    kl: list[Tensor]  # of each of its layers


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
    real, imaginary = channel_gains(console, decision.fine_gain, decision.fine_phase)
    # One complex gain a mel band, drawn out to the bins: far fewer exponentials than one a bin.
    gains = torch.complex(real @ to_bins, imaginary @ to_bins)
    return gains * dry + (send_gains(console) @ to_bins)[:, :, None, None] * reverb


def channel_gains(console: Console, fine_gain: Tensor, fine_phase: Tensor) -> tuple[Tensor, Tensor]:
    """Gains of the dry sound's channels in each frame and mel band, real and imaginary parts (B, N, 2, T, F): coarse
    and fine gains add (the skip connection), phases turn."""
    fader = (console.gain[..., None] + console.bands)[:, :, None, None]  # (B, N, 1, 1, F)
    channel = pan_gains(console.pan)[..., None, None]  # (B, N, 2, 1, 1)
    magnitude = (fader + fine_gain).exp() * channel
    return magnitude * fine_phase.cos(), magnitude * fine_phase.sin()


def send_gains(console: Console) -> Tensor:
    """Gains (B, N, F) of what the room answers to a track: after the fader and the broad bands."""
    return (console.gain[..., None] + console.bands + console.answer[:, None]).exp() * console.send[..., None]


class Generator(nn.Module):
    """TFR-G: embedding, position, TFR encoder, start token of [z; style], causal TFR decoder, coarse and fine head.

    Works on any number of tracks in any order: permuting the tracks permutes the wet stems.
    """

    def __init__(self, architecture: Architecture | None = None):
        super().__init__()
        self.architecture = a = architecture or Architecture()
        patches = a.tokens == "patches"
        self.columns = -(-a.mels // PATCH) if patches else 1  # tokens of one time
        self.embed = (
            PatchEmbedding(a.d_model, PATCH) if patches else TokenEmbedding(a.mels, a.d_model, a.stride // POOL)
        )
        self.read_meters = nn.Linear(2 * a.mels + EXTRA_METERS, a.d_model)
        self.position = TrackTimePosition(a.d_model, -(-a.frames // a.hop) * self.columns + 1, a.position)
        stack = (a.d_model, a.heads, a.latent, "lstm" if a.core == "lstm" else a.attention, a.across_tracks)
        self.encoder = TFREncoder(a.encoder_layers, *stack)
        self.style = nn.Embedding(len(STYLES), a.d_model)
        self.start = nn.Sequential(nn.Linear(a.z + a.d_model, a.d_model), nn.GELU(), nn.Linear(a.d_model, a.d_model))
        self.decoder = TFRDecoder(a.decoder_layers, *stack)
        self.coarse = CoarseHead(a.d_model, a.bands, a.mels, a.z if a.z_to == "coarse" else 0, a.send, a.mirror)
        self.fine = FineHead(a.mels, a.d_model, a.fine) if a.fine else None
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
        noise: Noise = None,
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
                :func:`tfrgan_lite.sides.draw_sides`; 0 for a generator that says them itself.
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
        noise: Noise = None,
    ) -> tuple[Tensor, Console, list[Tensor]]:
        """The first part of :meth:`forward`: what the decoder's tokens (B, N, tokens, d_model) say of each stretch of
        time, the console's settings, and the KL of each layer."""
        heard = self.hear(envelope, meters, roles, present, noise)
        h, kl = self.speak(heard, style, z, roles, present, noise)
        tokens = h[:, :, 1:].unflatten(2, (-1, self.columns)).mean(3)
        return tokens, self.coarse(h, z, meters, present), heard.kl + kl

    def hear(self, envelope: Tensor, meters: Tensor, roles: Tensor, present: Tensor, noise: Noise = None) -> Hearing:
        """The encoder's part of :meth:`settle`, in which z and style have no say."""
        summary = self.read_meters(self.standardised(meters))[:, :, None]
        tokens = self.embed(standardised(envelope))
        memory, kl = self.encoder(self.position(torch.cat([summary, tokens], dim=2), roles), present, noise)
        return Hearing(summary, tokens, memory, kl)

    def speak(
        self, heard: Hearing, style: Tensor, z: Tensor, roles: Tensor, present: Tensor, noise: Noise = None
    ) -> tuple[Tensor, list[Tensor]]:
        """The decoder's part: tokens (B, N, 1 + tokens, d_model), the start token first, and the KL of each layer."""
        first = self.start(torch.cat([z, self.style(style)], dim=-1))
        sequence = self.position(torch.cat([heard.summary + first[:, None, None], heard.tokens], dim=2), roles)
        return self.decoder(sequence, heard.memory, present, noise)

    def refine(self, tokens: Tensor, console: Console, around: Tensor, start: int = 0) -> tuple[Tensor, Tensor]:
        """The second part: the fine head's gain and phase (C, N, 2, frames, F) of the frames that ``around`` is about,
        ``start`` and on, by the tokens (C, N, tokens, d_model) of the song they are in."""
        frames = around.shape[-2] - 2 * FineHead.MARGIN
        if self.fine is None:
            nothing = console.bands.new_zeros(())
            return (nothing.expand(*around.shape[:2], 2, frames, around.shape[-1]),) * 2
        return self.fine(standardised(around), self.draw_out(tokens, start, frames), console)

    def draw_out(self, h: Tensor, start: int, frames: int) -> Tensor:
        """Tokens (B, N, tokens, d_model) -> (B, N, frames, d_model) from frame ``start`` on: straight lines between the
        tokens, each of which stands in the middle of its frames."""
        place = (torch.arange(start, start + frames, device=h.device) + 0.5) / self.architecture.hop - 0.5
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

        Raises UserError if the file is missing, damaged, or of another version of this code: which tensor, or which
        field of the architecture, does not fit.
        """
        return load_module(path, lambda metadata: cls(Architecture(**json.loads(metadata["architecture"]))))
