"""Whole songs of any length through a trained generator. Chapter 12 and the command line."""

import math
from functools import lru_cache

import torch
from torch import Tensor
from tqdm.auto import tqdm

from .audio import limit_true_peak
from .generator import FineHead, Generator, render
from .labels import style_index
from .mel import FLOOR, mel_to_bins
from .prepare import front, hear, listen, through_room


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
        progress: show a bar over the song's windows of five seconds or so.

    Returns:
        The mix (2, samples), true peak at most -1 dBTP, and the wet stems (N, 2, samples), whose sum it is.

    Raises:
        UserError: for stems, a sample rate, a style or a role that cannot be mixed.
    """
    style = torch.tensor([style_index(style)])
    heard = hear(stems, sample_rate, roles)
    reverb = through_room(heard.dry, sample_rate)
    generator = (generator or _shipped()).eval()
    device = next(generator.parameters()).device
    source = torch.Generator().manual_seed(seed)
    z = torch.randn(1, generator.architecture.z, generator=source)
    mirrored = bool(torch.randint(2, (1,), generator=source))
    dry = heard.dry.flip(-2) if mirrored else heard.dry

    hop = front(sample_rate, generator.architecture.mels).stft.hop_length
    window, samples = generator.architecture.frames * hop, dry.shape[-1]
    overlap = window // 4
    wet, weight = torch.zeros_like(dry), torch.zeros(samples)
    starts = range(0, max(1, samples - overlap), window - overlap)
    for start in tqdm(starts, "mixing", disable=not progress, unit="window"):
        # The last window reaches back, so that the network hears as much there as elsewhere.
        start = max(0, min(start, samples - window))
        cut = slice(start, min(start + window, samples))
        rendered = _mix_window(
            generator, dry[..., cut], reverb[..., cut], heard.roles, heard.present, style, z, sample_rate, device
        )
        fade = _fade(cut.stop - cut.start, overlap, start > 0, cut.stop < samples)
        wet[..., cut] += rendered * fade
        weight[cut] += fade
    wet /= weight
    if mirrored:
        wet = wet.flip(-2)
    return limit_true_peak(wet.sum(0), wet, sample_rate)


def _mix_window(
    generator: Generator,
    dry: Tensor,
    reverb: Tensor,
    roles: Tensor,
    present: Tensor,
    style: Tensor,
    z: Tensor,
    sample_rate: int,
    device: torch.device,
) -> Tensor:
    """One window of a song: stems and their reverb (N, 2, samples) -> wet stems (N, 2, samples)."""
    mels = generator.architecture.mels
    stft = front(sample_rate, mels).stft
    samples = dry.shape[-1]
    # One hop of silence after the end: else the last samples lie under the foot of one window only.
    dry, reverb = (torch.nn.functional.pad(audio, (0, stft.hop_length)) for audio in (dry, reverb))
    spectra = stft(dry)
    heard = listen(dry, spectra, sample_rate, mels)
    margin = FineHead.MARGIN
    around = torch.nn.functional.pad(heard.log_mel, (0, 0, margin, margin), value=math.log(FLOOR))
    inputs = (x[None].to(device) for x in (heard.envelope, heard.meters, around, roles, present, spectra, stft(reverb)))
    envelope, meters, around, roles, present, spectra, reverb = inputs
    decision = generator(envelope, meters, roles, style.to(device), z.to(device), present, around)
    wet = render(decision, spectra, reverb, mel_to_bins(sample_rate, stft.n_fft, mels).to(device))
    return stft.inverse(wet[0].cpu(), samples)


def _fade(length: int, overlap: int, fade_in: bool, fade_out: bool) -> Tensor:
    """Weights of a window's samples: linear ramps over the overlap at the ends that meet another window."""
    ramp = torch.arange(1, length + 1) / overlap
    ones = torch.ones(length)
    return torch.minimum(ramp.clamp_max(1) if fade_in else ones, ramp.flip(0).clamp_max(1) if fade_out else ones)
