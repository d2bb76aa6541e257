"""What a batch asks of G: to mix songs as they were mixed, and to draw mixes as engineers do. Chapter 12."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d

from .audio import Stft
from .batches import MARGIN, Batch, Share
from .beta_vae import SharedNoise, Stillness, normal_like
from .config import Preset
from .data import stereo_log_mel
from .generator import Decision, Generator, render
from .heads import long_term
from .losses import energy_score, log_mel_l1
from .mel import FLOOR, mel_to_bins
from .posterior import Posterior, Prior
from .prepare import spectrum_to_log_mel
from .sides import negative_log_likelihood, sides_of

BROAD = 8  # bands of a whole mix


class Objective:
    """G, the posterior that tells it in training how a song was mixed, and the terms of their loss.

    Args:
        preset: the experiment. Weights are drawn from torch's own source.
        sample_rate: of the songs, Hz.
        accelerator: which device, precision and processes.

    Attributes:
        learner: the generator that takes the steps.
        step: number of steps done.

    Raises:
        UserError: if the processes cannot share a batch evenly.
    """

    def __init__(self, preset: Preset, sample_rate: int, accelerator: Accelerator):
        a, p = preset.architecture, preset
        self.preset, self.sample_rate, self.step = preset, sample_rate, 0
        self.accelerator, self.device = accelerator, accelerator.device
        self.share = Share(accelerator.process_index, accelerator.num_processes)
        self.share.songs(preset)  # refuses what cannot be shared out
        self.learner = Generator(a).to(self.device)
        self.posterior = (Posterior(a.mels, a.z) if p.posterior and a.z else Prior(a.z)).to(self.device)
        self.stft = Stft(sample_rate, padded=False).to(self.device)
        self.to_bins = mel_to_bins(sample_rate, self.stft.n_fft, a.mels).to(self.device)

    def parts(self, batch: Batch) -> list[tuple[Batch, SharedNoise]]:
        """The songs of a batch that are mixed as they were mixed, which have frames to compare, and those that are
        mixed by chance; each with its noise. Without an energy score all are mixed as they were.
        """
        p, compared = self.preset, len(batch.dry)
        parts: list[tuple[Batch, Sequence[int], int]] = [(batch, self.share.songs(p), p.batch)]
        if p.energy_weight:
            count = p.batch - p.rendered
            parts = [
                (batch.heard(slice(compared)), self.share.of(p.rendered), p.rendered),
                (batch.heard(slice(compared, None)), self.share.of(count), count),
            ]
        seed, alone = (p.seed * 1_000_003 + self.step) * len(parts), self.share.count == 1
        return [
            (part, SharedNoise(seed + i, self.device, None if alone else torch.tensor([*songs]), total))
            for i, (part, songs, total) in enumerate(parts)
        ]

    def decide(self, batch: Batch, noise: SharedNoise) -> tuple[Decision, Tensor]:
        """G's decision for a batch, z being the posterior's and the sides the engineers', and the KL of z in nats, mean
        over songs.
        """
        sides = self.sides(batch)
        z, kl = self.posterior(batch.dry_power, batch.wet_power, batch.roles, batch.style, batch.present, noise)
        heard = (batch.envelope, batch.meters, batch.roles, batch.style)
        with self.accelerator.autocast():
            decision = self.learner(*heard, z, batch.present, batch.log_mel, batch.offset, sides, noise)
        return decision, kl.sum(-1).mean()

    def energy(self, batch: Batch, noise: SharedNoise, generator: Generator | None = None) -> Tensor:
        """Energy score of what two draws of z make of each song by the console, as in use: of the mean spectra of its
        tracks, and of all together in broad bands. The draws are the learner's, or another generator's.
        """
        generator = generator or self.learner
        z = batch.dry_power.new_zeros(len(batch.style), self.preset.architecture.z)
        made, sides, still = [], self.sides(batch), Stillness()
        with self.accelerator.autocast():
            heard = generator.hear(batch.envelope, batch.meters, batch.roles, batch.present, still)
            for _ in range(2):
                drawn = normal_like(z, noise)
                h, _ = generator.speak(heard, batch.style, drawn, batch.roles, batch.present, still)
                console = generator.coarse(h, drawn, batch.meters, batch.present).facing(sides)
                made.append(long_term(console, batch.dry_power))
        first, second, true = (torch.log(power + FLOOR) for power in (*made, batch.wet_power))
        whole = (torch.log(in_broad_bands(power, batch.present) + FLOOR) for power in (*made, batch.wet_power))
        return energy_score(first, second, true, batch.present) + energy_score(*whole)

    def sides(self, batch: Batch) -> Tensor:
        """The sides (B, N) that the engineers chose; 0 for a generator that is to choose them itself."""
        return sides_of(batch.dry_power, batch.wet_power, batch.present) * self.preset.architecture.mirror

    def compare(self, decision: Decision, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Log-mel (C, 4, loss frames, F) of the mixes' left, right, mid and side, and the terms of the reconstruction
        loss: of mixes and wet stems frame by frame, and of the console's long-term spectra.
        """
        mels, rate = self.preset.architecture.mels, self.sample_rate
        dry, reverb = (self.stft(audio)[..., MARGIN:-MARGIN, :] for audio in (batch.dry, batch.reverb))
        # No two rooms agree frame by frame: judged by frames, the best room is none. So the send is learned from mean
        # powers alone.
        console = replace(decision.console, send=decision.console.send.detach())
        wet = render(replace(decision, console=console), dry, reverb, self.to_bins)
        mix, stems = stereo_log_mel(wet.sum(1), rate, mels), spectrum_to_log_mel(wet, rate, mels)
        views = 4 if self.preset.mid_side else 2
        expected = long_term(decision.console, batch.dry_power)
        return mix, {
            "mix": log_mel_l1(mix[:, :views], batch.mix_log_mel[:, :views]),
            "stems": log_mel_l1(stems, batch.stems_log_mel, batch.present[: len(stems)]),
            "sides": negative_log_likelihood(decision.console.coupling, self.sides(batch)).mean(),
            "long_term": log_mel_l1(torch.log(expected + FLOOR), torch.log(batch.wet_power + FLOOR), batch.present),
        }


def in_broad_bands(power: Tensor, present: Tensor) -> Tensor:
    """Mean mel powers (B, N, 4, F) of tracks -> of all together, the mean in each broad band (B, 4, 8)."""
    return adaptive_avg_pool1d((power * present[..., None, None]).sum(1), BROAD)
