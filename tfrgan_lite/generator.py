"""G, the multi-track generator: dry log-mels, noise and a style label in; wet spectra of every track out. Chapter 08.

The network decides (:class:`Decision`) how each track's own complex spectrum shall change; :func:`render`
multiplies spectra. So the cost of the network does not depend on the sample rate, and silence stays silent.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as functional
from safetensors import SafetensorError
from torch import Tensor, nn

from .config import Architecture
from .errors import UserError
from .files import load_tensors, save_tensors
from .labels import STYLES
from .mel import standardised
from .positional import TrackTimePosition
from .serialize import TokenEmbedding
from .studio.console import pan_gains
from .transformer import TFRDecoder, TFREncoder

WEIGHTS = Path(__file__).parent / "weights" / "generator.safetensors"
GAIN_RANGE = 3.5  # nats: the coarse head moves a track by at most 30 dB
BAND_RANGE = 2.0  # nats: the coarse and fine heads move a band by at most 17 dB each
PHASE_RANGE = torch.pi


@dataclass
class Decision:
    """What shall become of each track, at frame rate. B songs, N tracks, T frames, F mel bands."""

    gain: Tensor  # (B, N, T) natural log of the fader's gain
    pan: Tensor  # (B, N, T) -1 left to 1 right
    bands: Tensor  # (B, N, T, F) natural log of the broad bands' gain, interpolated to mel bands
    send: Tensor  # (B, N, T) amplitude ratio of the reverb send, after fader and bands
    fine_gain: Tensor  # (B, N, 2, T, F) natural log of the fine head's gain, left and right
    fine_phase: Tensor  # (B, N, 2, T, F) radians
    kl: list[Tensor]  # of each TFR layer, (B, N, tokens, latent) in nats


def render(decision: Decision, dry: Tensor, reverb: Tensor, to_bins: Tensor) -> Tensor:
    """A decision becomes wet spectra: coarse and fine gains add (the skip connection), phases turn, reverb comes in.

    Args:
        dry: complex spectra (B, N, 2, T, K) of the level-normalised stems.
        reverb: the same of the stems through the package's fixed room.
        to_bins: (F, K) of :func:`tfrgan_lite.mel.mel_to_bins`.

    Returns:
        Complex wet spectra (B, N, 2, T, K).
    """
    fader = (decision.gain[..., None] + decision.bands)[:, :, None]  # (B, N, 1, T, F)
    channel = pan_gains(decision.pan).movedim(-1, 2)[..., None]  # (B, N, 2, T, 1)
    # One complex gain a mel band, drawn out to the bins: far fewer exponentials than one a bin.
    magnitude = (fader + decision.fine_gain).exp() * channel
    gain = torch.complex(
        (magnitude * decision.fine_phase.cos()) @ to_bins, (magnitude * decision.fine_phase.sin()) @ to_bins
    )
    return gain * dry + ((fader.exp() * decision.send[:, :, None, :, None]) @ to_bins) * reverb


class CoarseHead(nn.Module):
    """Decoder tokens -> console settings at frame rate: fader, pan, broad bands, reverb send."""

    def __init__(self, d_model: int, bands: int):
        super().__init__()
        self.out = nn.Linear(d_model, 3 + bands)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)

    def forward(self, h: Tensor, frames: int, wanted: slice, mels: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """h (B, N, tokens, d_model) for ``frames`` frames -> of those wanted, gain, pan, send (B, N, T), bands (B, N,
        T, mels).
        """
        settings = _resize(self.out(h), frames)[:, :, wanted]
        gain = GAIN_RANGE * torch.tanh(settings[..., 0] / GAIN_RANGE)
        pan = torch.tanh(settings[..., 1])
        send = functional.softplus(settings[..., 2] - 3)  # starts at 0.05: -26 dB
        bands = BAND_RANGE * torch.tanh(settings[..., 3:] / BAND_RANGE)
        shape = bands.shape[:-1]
        bands = functional.interpolate(bands.flatten(0, 2)[:, None], mels, mode="linear", align_corners=True)
        return gain, pan, send, bands.reshape(*shape, mels)


class FineHead(nn.Module):
    """What the coarse head's broad strokes miss: a gain and a phase for each frame, channel and mel band."""

    REACH = 2  # frames on each side that a convolution sees

    def __init__(self, mels: int, d_model: int, width: int):
        super().__init__()
        kernel = 2 * self.REACH + 1
        self.from_spectrum = nn.Conv1d(mels, width, kernel)
        self.from_tokens = nn.Linear(d_model, width)
        self.from_coarse = nn.Linear(mels, width)
        self.refine = nn.Conv1d(width, width, kernel)
        self.out = nn.Linear(width, 4 * mels)
        nn.init.zeros_(self.out.weight)  # the refinement starts at nothing
        nn.init.zeros_(self.out.bias)

    def forward(self, log_mel: Tensor, h: Tensor, coarse: Tensor, wanted: slice) -> tuple[Tensor, Tensor]:
        """log_mel (B, N, frames, F), tokens h (B, N, tokens, d_model), coarse gain (B, N, T, F) of the T wanted frames
        -> gain and phase (B, N, 2, T, F) of the wanted frames."""
        batch, tracks, frames, mels = log_mel.shape
        tokens = _resize(self.from_tokens(h), frames)[:, :, wanted] + self.from_coarse(coarse)
        margin = 2 * self.REACH
        around = functional.pad(log_mel, (0, 0, margin, margin))[:, :, wanted.start : wanted.stop + 2 * margin]
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
        self.embed = TokenEmbedding(a.mels, a.d_model, a.stride)
        self.position = TrackTimePosition(a.d_model, -(-a.frames // a.stride) + 1)
        self.encoder = TFREncoder(a.encoder_layers, a.d_model, a.heads, a.latent, a.attention)
        self.style = nn.Embedding(len(STYLES), a.d_model)
        self.start = nn.Sequential(nn.Linear(a.z + a.d_model, a.d_model), nn.GELU(), nn.Linear(a.d_model, a.d_model))
        self.decoder = TFRDecoder(a.decoder_layers, a.d_model, a.heads, a.latent, a.attention)
        self.coarse = CoarseHead(a.d_model, a.bands)
        self.fine = FineHead(a.mels, a.d_model, a.fine)

    def forward(
        self,
        log_mel: Tensor,
        roles: Tensor,
        style: Tensor,
        z: Tensor,
        present: Tensor,
        wanted: slice | None = None,
        noise: torch.Generator | None = None,
    ) -> Decision:
        """Listen to all tracks and decide what each shall become.

        Args:
            log_mel: X of the level-normalised dry tracks (B, N, T, F), natural log.
            roles: (B, N) indices into ROLES.
            style: (B,) indices into STYLES.
            z: noise (B, z), standard normal.
            present: (B, N) bool, False for silent or padded tracks, which nobody hears.
            wanted: the frames to decide for, all if None. All are listened to; the heads work on the wanted ones only.
            noise: source of the β-VAE modules' samples in training.
        """
        frames, mels = log_mel.shape[-2:]
        wanted = wanted or slice(0, frames)
        log_mel = standardised(log_mel)
        tokens = self.embed(log_mel)
        memory, encoder_kl = self.encoder(self.position(tokens, roles), present, noise)
        start = self.start(torch.cat([z, self.style(style)], dim=-1))
        start = start[:, None, None].expand(-1, tokens.shape[1], 1, -1)
        sequence = self.position(torch.cat([start, tokens], dim=2), roles)
        h, decoder_kl = self.decoder(sequence, memory, present, noise)
        h = h[:, :, 1:]
        gain, pan, send, bands = self.coarse(h, frames, wanted, mels)
        fine_gain, fine_phase = self.fine(log_mel, h, gain[..., None] + bands, wanted)
        return Decision(gain, pan, bands, send, fine_gain, fine_phase, encoder_kl + decoder_kl)

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


def _resize(x: Tensor, frames: int) -> Tensor:
    """(B, N, tokens, width) -> (B, N, frames, width) by linear interpolation over time."""
    flat = functional.interpolate(x.flatten(0, 1).mT, frames, mode="linear")
    return flat.mT.unflatten(0, x.shape[:2])
