"""From log-mel back to sound: Griffin and Lim's rounds, and HiFi-GAN (Kong et al. 2020) in miniature. Chapter 03.

Both vocoders are modules that take log-mel (..., T, F) and return mono waveforms (..., T * hop). The mixer needs none:
it changes its input's own complex spectrum.
"""

from math import prod

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from .errors import UserError
from .mel import FLOOR, LogMel, power_of, standardised

SLOPE = 0.1  # of the leaky rectifiers, as in the paper
MEL_WEIGHT, FEATURE_WEIGHT = 45.0, 2.0  # of the generator's loss (Kong et al. 2020, equation 7)


class GriffinLim(nn.Module):
    """The bands undone by least squares, the phase by Griffin and Lim's rounds, with the momentum of Perraudin et al.

    Args:
        sample_rate, n_mels: as of :class:`tfrgan_lite.mel.LogMel`, which made the log-mel.
        rounds: how often it goes to a waveform and back; 0 leaves the phase random.
        momentum: 0 for Griffin and Lim (1984), less than 1 for Perraudin et al. (2013).
        seed: of the random phases at the start.
    """

    def __init__(self, sample_rate: int, n_mels: int = 80, rounds: int = 32, momentum: float = 0.99, seed: int = 0):
        super().__init__()
        self.log_mel = LogMel(sample_rate, n_mels)
        self.undo: Tensor
        self.register_buffer("undo", torch.linalg.pinv(self.log_mel.filters), persistent=False)
        self.rounds, self.momentum, self.seed = rounds, momentum, seed

    def magnitude(self, x: Tensor) -> Tensor:
        """Log-mel (..., T, F) -> magnitudes (..., T, K): the smallest power that fits the bands, none below zero."""
        power = (x.exp() - FLOOR).clamp_min(0) @ self.undo
        return power.clamp_min(0).sqrt()

    def forward(self, x: Tensor) -> Tensor:
        """Log-mel (..., T, F) -> waveform (..., T * hop)."""
        stft, size = self.log_mel.stft, self.magnitude(x)
        samples = x.shape[-2] * stft.hop_length
        source = torch.Generator().manual_seed(self.seed)
        turns = torch.rand(size.shape, generator=source).to(size.device)
        spectrum, before = torch.polar(size, 2 * torch.pi * turns), None
        for _ in range(self.rounds):
            heard = stft(stft.inverse(spectrum, samples))
            ahead = heard if before is None else heard + self.momentum * (heard - before)
            spectrum, before = torch.polar(size, ahead.angle()), heard
        return stft.inverse(spectrum, samples)


class Fusion(nn.Module):
    """Convolutions of several widths side by side, their mean added to what goes in (Kong et al. 2020, section 2.2).

    The paper has several in a row for each width, ever more dilated.
    """

    def __init__(self, channels: int, kernels: tuple[int, ...]):
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv1d(channels, channels, k, padding=k // 2) for k in kernels)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, n) -> (batch, channels, n)."""
        h = functional.leaky_relu(x, SLOPE)
        return x + torch.stack([convolution(h) for convolution in self.convolutions]).mean(0)


class NeuralVocoder(nn.Module):
    """HiFi-GAN's generator in miniature: transposed convolutions from frames to samples, each followed by a fusion.

    Args:
        sample_rate, n_mels: as of :class:`tfrgan_lite.mel.LogMel`.
        rates: how many times longer each stage makes the sequence; their product must be the hop in samples.
        width: channels before the first stage; each stage has half of those before it.
        kernels: odd widths of each fusion's convolutions.

    Raises UserError for rates whose product is not the hop, or a width that cannot be halved so often.
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        n_mels: int = 80,
        rates: tuple[int, ...] = (8, 5, 4),
        width: int = 64,
        kernels: tuple[int, ...] = (3, 7),
    ):
        super().__init__()
        self.log_mel = LogMel(sample_rate, n_mels)
        hop = self.log_mel.stft.hop_length
        if prod(rates) != hop:
            raise UserError(f"rates: {rates} make {prod(rates)} samples a frame; give factors of the hop, {hop}")
        if width % 2 ** len(rates):
            raise UserError(f"width: {width} cannot be halved {len(rates)} times; give a multiple of {2 ** len(rates)}")
        channels = [width >> stage for stage in range(len(rates) + 1)]
        self.first = nn.Conv1d(n_mels, width, 5, padding=2)
        self.longer = nn.ModuleList(
            nn.ConvTranspose1d(a, b, 2 * rate, rate, padding=(rate + 1) // 2, output_padding=rate % 2)
            for a, b, rate in zip(channels, channels[1:], rates, strict=False)
        )
        self.fusions = nn.ModuleList(Fusion(c, kernels) for c in channels[1:])
        self.last = nn.Conv1d(channels[-1], 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        """Log-mel (..., T, F) -> waveform (..., T * hop) in -1..1."""
        h = self.first(standardised(x).reshape(-1, *x.shape[-2:]).mT)
        for longer, fusion in zip(self.longer, self.fusions, strict=True):
            h = fusion(longer(functional.leaky_relu(h, SLOPE)))
        audio = torch.tanh(self.last(functional.leaky_relu(h, SLOPE)))
        return audio.reshape(*x.shape[:-2], -1)


def by_period(audio: Tensor, period: int) -> Tensor:
    """(batch, samples) -> (batch, period, ceil(samples / period)): row r holds the samples r, r + period, ...

    The end is padded with zeros.
    """
    audio = functional.pad(audio, (0, -audio.shape[-1] % period))
    return audio.unflatten(-1, (-1, period)).mT


class MultiPeriodDiscriminator(nn.Module):
    """HiFi-GAN's critics, each of which sees the samples that are one period apart (Kong et al. 2020, section 2.3).

    Its second critic, on several scales, is left out.

    Args:
        periods: in samples; primes overlap least.
        width: channels of the first of three layers, each of which has twice those of the one before.
    """

    def __init__(self, periods: tuple[int, ...] = (2, 3, 5, 7, 11), width: int = 8):
        super().__init__()
        self.periods = periods
        self.critics = nn.ModuleList(
            nn.ModuleList(
                [
                    nn.Conv1d(1, width, 5, stride=3, padding=2),
                    nn.Conv1d(width, 2 * width, 5, stride=3, padding=2),
                    nn.Conv1d(2 * width, 4 * width, 5, stride=3, padding=2),
                    nn.Conv1d(4 * width, 1, 3, padding=1),
                ]
            )
            for _ in periods
        )
        for module in self.critics.modules():
            if isinstance(module, nn.Conv1d):
                # A short training has no time to make up for PyTorch's own start, which shrinks sound at every layer.
                nn.init.kaiming_normal_(module.weight, SLOPE)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, audio: Tensor) -> list[list[Tensor]]:
        """(batch, samples) -> for each period the layers' outputs (batch * period, channels, n), the score last."""
        found = []
        for period, critic in zip(self.periods, self.critics, strict=True):
            *layers, score = critic.children()
            outputs = [by_period(audio, period).reshape(len(audio) * period, 1, -1)]
            for layer in layers:
                outputs.append(functional.leaky_relu(layer(outputs[-1]), SLOPE))
            found.append([*outputs[1:], score(outputs[-1])])
        return found


def critic_loss(real: list[list[Tensor]], made: list[list[Tensor]]) -> Tensor:
    """Sum over critics of E[(D(x) - 1)²] + E[D(G)²] (Mao et al. 2017), from what :class:`MultiPeriodDiscriminator`
    returns.
    """
    scores = [(r[-1] - 1).square().mean() + m[-1].square().mean() for r, m in zip(real, made, strict=True)]
    return sum(scores[1:], scores[0])


def vocoder_loss(real: list[list[Tensor]], made: list[list[Tensor]]) -> Tensor:
    """Sum over critics of E[(D(G) - 1)²], and twice the L1 between the layers' outputs for real and for made sound."""
    fooled = [(m[-1] - 1).square().mean() for m in made]
    pairs = [pair for r, m in zip(real, made, strict=True) for pair in zip(r[:-1], m[:-1], strict=True)]
    return sum(fooled[1:], fooled[0]) + FEATURE_WEIGHT * sum((r - m).abs().mean() for r, m in pairs)


def train_vocoder(
    vocoder: NeuralVocoder,
    sounds: Tensor,
    steps: int,
    seed: int = 0,
    critic: MultiPeriodDiscriminator | None = None,
    batch: int = 8,
    learning_rate: float = 4e-3,
    critic_rate: float = 2e-3,
) -> list[float]:
    """Train in place, by Adam, on sounds (n, samples), samples a multiple of the hop; returns each step's mel loss.

    That is the mean absolute difference of log-mel in nats. With a critic, which is trained as well, the vocoder is
    also told what that one sees. Both learning rates rise over 20 steps and fall to 0.
    """
    log_mel, source = vocoder.log_mel, torch.Generator().manual_seed(seed)

    def share(step: int) -> float:
        return min(1.0, (step + 1) / 20) * (1 - step / steps)

    def adam(module: nn.Module, rate: float) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        optimiser = torch.optim.Adam(module.parameters(), rate, betas=(0.8, 0.99))
        return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, share)

    players = {"vocoder": adam(vocoder, learning_rate)}
    if critic is not None:
        players["critic"] = adam(critic, critic_rate)

    def step(player: str, loss: Tensor) -> None:
        optimiser, schedule = players[player]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()

    losses = []
    for _ in range(steps):
        real = sounds[torch.randint(len(sounds), (batch,), generator=source)]
        x = log_mel(real)
        made = vocoder(x)
        mel = (log_mel(made) - x).abs().mean()
        losses.append(mel.item())
        loss = MEL_WEIGHT * mel
        if critic is not None:
            step("critic", critic_loss(critic(real), critic(made.detach())))
            critic.requires_grad_(False)  # it judges now, and does not learn
            loss = loss + vocoder_loss(critic(real), critic(made))
            critic.requires_grad_(True)
        step("vocoder", loss)
    return losses


def stft_distance(made: Tensor, real: Tensor, windows: tuple[int, ...] = (512, 1024, 2048)) -> Tensor:
    """How far the spectra (..., samples) are apart at several resolutions: a distance of each sound (...).

    The mean over Hann windows, in samples, with hops of a quarter of them, of the relative error of the magnitudes and
    the mean absolute difference of their logarithms, in nats (Yamamoto et al. 2020, equations 5 and 6). Powers are at
    least 1e-5. Sounds must be longer than half of the longest window.
    """
    total = torch.zeros(real.shape[:-1], device=real.device)
    for window in windows:
        hann = torch.hann_window(window, device=real.device)
        sizes = []
        for audio in (made, real):
            flat = audio.reshape(-1, audio.shape[-1])
            spectrum = torch.stft(flat, window, window // 4, window, hann, return_complex=True)
            sizes.append(power_of(spectrum).clamp_min(FLOOR).sqrt())
        apart, right = sizes[0] - sizes[1], sizes[1]
        converged = apart.flatten(1).norm(dim=1) / right.flatten(1).norm(dim=1)
        by_log = (sizes[0].log() - right.log()).abs().flatten(1).mean(1)
        total = total + (converged + by_log).reshape(total.shape)
    return total / len(windows)
