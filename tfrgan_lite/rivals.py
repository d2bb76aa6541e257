"""Networks of other designs, trained and used as the generator is: same songs, same loss, same schedule. Chapter 12."""

import json
import math
import time
from contextlib import closing
from copy import deepcopy
from pathlib import Path

import torch
import torch.nn.functional as functional
from torch import Tensor
from tqdm.auto import tqdm

from .audio import check_stems, limit_true_peak, resample
from .baselines.networks import GainPanNetwork, WaveUNet
from .batches import MARGIN, Batch, LessonSet, made_ahead
from .config import Preset
from .data import stereo_log_mel
from .errors import UserError
from .files import load_module, save_tensors
from .generator import Generator
from .labels import style_index
from .losses import log_mel_l1
from .memory import keep_freed_memory
from .prepare import front, hear, listen, spectrum_to_log_mel

Network = GainPanNetwork | WaveUNet
NETWORKS: dict[str, type[Network]] = {network.__name__: network for network in (GainPanNetwork, WaveUNet)}
RATE = LessonSet.SAMPLE_RATE
TIMED_STEPS = 6
CHANNELS = (24, 32, 64, 80, 112)  # of the U-Net's levels, in proportion
WIDTHS = (144, 256)  # of the console's encoder and decision, in proportion


def build(name: str, preset: Preset) -> Network:
    """An untrained network, ``GainPanNetwork`` or ``WaveUNet``, for the windows of a preset, drawn from its seed, and
    about as large as the preset's generator.

    The console listens to as much of a song as the generator; the U-Net works on the sound of the frames to compare.

    Raises UserError for another name.
    """
    if name not in NETWORKS:
        raise UserError(f"network: there is none called {name!r}; choose one of {', '.join(NETWORKS)}")
    a = preset.architecture
    scale = 1.0
    with torch.random.fork_rng():
        wanted = _size(Generator(a))
        for _ in range(4):  # its size grows with about the square of its width
            torch.manual_seed(preset.seed)
            if name == "WaveUNet":
                channels = tuple(max(1, round(scale * width)) for width in CHANNELS)
                network = WaveUNet(preset.loss_frames + 2 * MARGIN, channels)
            else:
                width, hidden = (max(1, round(scale * width)) for width in WIDTHS)
                network = GainPanNetwork(a.mels, a.frames, width, hidden)
            scale *= math.sqrt(wanted / _size(network))
    return network


def _size(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def log_mels(network: Network, batch: Batch) -> tuple[Tensor, Tensor]:
    """What a network makes of those songs of a batch that have frames to compare, as log-mels of these frames: of the
    mix (C, 4, T, F), left, right, mid and side, and of the wet stems (C, N, 2, T, F).
    """
    songs, mels = len(batch.dry), batch.envelope.shape[-1]
    heard = (x[:songs] for x in (batch.roles, batch.style, batch.present))
    wet = network(batch.envelope[:songs], batch.dry, *heard)
    spectra = front(RATE, mels).stft.to(wet.device)(wet)[..., MARGIN:-MARGIN, :]
    return stereo_log_mel(spectra.sum(1), RATE, mels), spectrum_to_log_mel(spectra, RATE, mels)


def loss_terms(network: Network, batch: Batch) -> dict[str, Tensor]:
    """The generator's reconstruction loss: log-mel L1 of the ``mix`` and of the wet ``stems``, in nats, unweighted."""
    mix, stems = log_mels(network, batch)
    return {
        "mix": log_mel_l1(mix, batch.mix_log_mel),
        "stems": log_mel_l1(stems, batch.stems_log_mel, batch.present[: len(stems)]),
    }


def fit(
    network: Network, lessons: LessonSet, steps: int | None = None, progress: bool = True
) -> list[dict[str, float]]:
    """Train a network in place as :class:`tfrgan_lite.train.Trainer` trains the generator, but for the adversary.

    The batch of step k, the weights of the loss, the rate, its warm-up and its cosine are the preset's; AdamW's betas
    and the gradient's norm of at most 1 are the Trainer's.

    Args:
        steps: the preset's if None; :func:`steps_within` says how many take an equal time.
        progress: whether to show a bar.

    Returns:
        The terms of the loss, as :func:`loss_terms`, of each step.

    Raises:
        UserError: if the loss is no longer finite.
    """
    keep_freed_memory()
    p, device = lessons.preset, next(network.parameters()).device
    steps = p.steps if steps is None else steps
    optimiser = torch.optim.AdamW(network.parameters(), p.learning_rate, betas=(0.9, 0.99))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda k: p.share_of_rate(k, steps))
    history = []
    network.train()
    ahead = made_ahead(lessons.batch, range(steps))
    with closing(ahead) as batches, tqdm(batches, "training", steps, disable=not progress, unit="step") as bar:
        for batch in bar:
            terms = loss_terms(network, batch.to(device))
            loss = p.mix_weight * terms["mix"] + p.stems_weight * terms["stems"]
            if not torch.isfinite(loss):
                raise UserError(f"training: the loss is not finite at step {len(history)}; lower the learning_rate")
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            history.append({key: float(value.detach()) for key, value in terms.items()})
            bar.set_postfix({key: f"{value:.3f}" for key, value in history[-1].items()}, refresh=False)
    network.eval()
    return history


def steps_within(seconds: float, network: Network, lessons: LessonSet) -> int:
    """How many steps of :func:`fit` take so many seconds here, at least 1, by a few steps of a copy of the network."""
    copy = deepcopy(network)
    fit(copy, lessons, 1, progress=False)
    begun = time.perf_counter()
    fit(copy, lessons, TIMED_STEPS, progress=False)
    return max(1, int(seconds * TIMED_STEPS / (time.perf_counter() - begun)))


@torch.no_grad()
def mix(
    network: Network, stems: Tensor, sample_rate: int, roles: tuple[str, ...] | None, style: str, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Mix a song of any length, in windows as long as those of the training, each faded into the next over half of it.

    Args:
        stems: dry tracks (N, 1 or 2, samples), N from 1 to 16.
        sample_rate: Hz, 8000 to 192000. The networks work at 44.1 kHz; songs at other rates are brought there and back.
        roles: one of ROLES for each track, ``other`` if None.
        style: one of STYLES.
        seed: of the coin that decides which side is left; nothing else is drawn.

    Returns:
        The mix (2, samples), true peak at most -1 dBTP, and the wet stems (N, 2, samples), whose sum it is.

    Raises:
        UserError: for stems, a sample rate, a style or a role that cannot be mixed.
    """
    given, label = check_stems(stems, sample_rate), torch.tensor(style_index(style))
    heard = hear(resample(given, sample_rate, RATE), RATE, roles)
    mirrored = bool(torch.randint(2, (1,), generator=torch.Generator().manual_seed(seed)))
    dry = heard.dry.flip(-2) if mirrored else heard.dry
    device = next(network.parameters()).device
    labels = [x[None].to(device) for x in (heard.roles, label, heard.present)]
    network.eval()
    window, samples = network.shape["frames"] * RATE // 100, dry.shape[-1]
    mels = network.shape.get("mels", 80)  # the U-Net does not look at them
    wet, weight = torch.zeros_like(dry), torch.zeros(samples)
    for start in range(0, max(1, samples - window // 2), window // 2):
        # The last window reaches back, so that the network hears as much there as elsewhere.
        start = max(0, min(start, samples - window))
        part = dry[..., start : start + window]
        envelope = listen(part, front(RATE, mels).stft(part), RATE, mels).envelope
        heard_now = [x[None].to(device) for x in (envelope, part)]
        made = network(*heard_now, *labels)[0].cpu()
        fade = 1 - torch.linspace(-1, 1, part.shape[-1] + 2)[1:-1].abs()
        wet[..., start : start + window] += made * fade
        weight[start : start + window] += fade
    wet = resample(wet / weight, RATE, sample_rate)
    wet = functional.pad(wet, (0, given.shape[-1] - wet.shape[-1]))  # a sample more or less, from rounding twice
    wet = wet.flip(-2) if mirrored else wet
    return limit_true_peak(wet.sum(0), wet, sample_rate)


def save(network: Network, path: str | Path, card: dict) -> None:
    """Write weights, what the network is, and ``card`` (their history) as one safetensors file, whole or not at all.

    Raises UserError if it cannot be written.
    """
    metadata = {"network": type(network).__name__, "shape": json.dumps(network.shape), "card": json.dumps(card)}
    save_tensors(path, network.state_dict(), metadata)


def load(path: str | Path) -> Network:
    """The network stored at ``path``, in evaluation mode. Its card is ``.card``.

    Raises UserError if the file is missing, damaged, or holds no network of this version's code.
    """
    return load_module(path, lambda metadata: NETWORKS[metadata["network"]](**json.loads(metadata["shape"])))
