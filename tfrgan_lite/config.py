"""Every number of an experiment, once: the presets ci (seconds), cpu (minutes on two cores), gpu (a Colab T4)."""

import math
import os
from dataclasses import dataclass, field, replace

import torch

from .errors import UserError

CHOICES = {
    "attention": ("full", "local", "linear"),
    "core": ("attention", "lstm"),
    "tokens": ("strips", "patches"),
    "position": ("learned", "sinusoidal", "none"),
    "z_to": ("coarse", "start"),
    "discriminator": ("spectral", "mlp"),
    "adversarial": ("minimax", "non_saturating", "hinge"),
}


def _check_choices(config: object) -> None:
    """Raise UserError for a field that names something unknown."""
    for name, choices in CHOICES.items():
        value = getattr(config, name, choices[0])
        if value not in choices:
            raise UserError(f"{name}: {value!r} is unknown; choose one of {', '.join(choices)}")


@dataclass(frozen=True)
class Architecture:
    """The shape of a generator. Two generators with equal architecture can exchange weights.

    The fields from ``core`` on take parts away, or put others in their place, so that their worth can be measured.
    Raises UserError for a word that names nothing.
    """

    d_model: int = 64  # width of a token
    heads: int = 4
    encoder_layers: int = 2
    decoder_layers: int = 2
    latent: int = 16  # units of the β-VAE module in each layer; 0: no modules
    z: int = 8  # length of the noise vector; 0: none, one mix for each song
    mels: int = 80  # F, bands from 20 Hz to 20 kHz
    bands: int = 16  # broad bands of the coarse head
    stride: int = 128  # frames in a strip, which is a token
    frames: int = 1000  # T of a window in training and in use: 10 s
    fine: int = 64  # width of the fine head; 0: no fine head, a console alone
    attention: str = "full"  # over time: full, local or linear
    core: str = "attention"  # what goes over time: attention, or an LSTM of its size
    tokens: str = "strips"  # of the envelope: strips, or patches of 16 by 16
    position: str = "learned"  # of a token in time: learned and sinusoidal, sinusoidal alone, or none
    z_to: str = "coarse"  # z reaches the start token and the coarse head, or the start token alone: start
    across_tracks: bool = True  # whether a track's tokens see those of the others
    send: bool = True  # whether the console has a reverb send
    mirror: bool = True  # whether the tracks' sides are drawn outside of the network, which knows no left from right

    def __post_init__(self) -> None:
        _check_choices(self)

    @property
    def hop(self) -> int:
        """Frames that a token stands for: a strip's, or the 16 of the envelope, each of 8, that are in a patch."""
        return 16 * 8 if self.tokens == "patches" else self.stride


@dataclass(frozen=True)
class Preset:
    """One experiment: data, model, training and judgement. Raises UserError for a word that names nothing."""

    name: str
    architecture: Architecture = field(default_factory=Architecture)
    # data
    songs: int = 2000  # training songs
    songs_with_audio: int = 160  # of them, whose frames are compared
    seconds: float = 10.0  # of each song
    mixes: int = 2  # engineers who mixed each training song
    held_out: int = 48  # songs for judging, from seeds that training never uses
    judges: int = 8  # engineers whose mixes of each held-out song are the measure
    # training
    steps: int = 1300
    batch: int = 32  # songs in a step
    rendered: int = 8  # of them, whose spectra are rendered and compared, in
    loss_frames: int = 32  # frames each
    learning_rate: float = 2e-3
    discriminator_rate: float = 4e-4
    warm_up: int = 40  # steps to the full learning rate
    checkpoint_every: int = 100  # steps
    ema: float | None = None  # decay of the mean of the generator's weights that is used; None: the last weights are
    seed: int = 0
    # the weights of the loss
    mix_weight: float = 1.0  # log-mel of the mix, left and right
    mid_side: bool = True  # and mid and side
    stems_weight: float = 0.5  # log-mel of each wet stem
    adversarial_weight: float = 0.05
    long_term_weight: float = 1.0  # log of the mean mel power of each wet track, of the console alone
    posterior: bool = True  # whether z in training says how the song was mixed; else it is noise, as in use
    latent_weight: float = 0.01  # of the posterior's KL, summed over z
    energy_weight: float = 1.0  # of the energy score of what is drawn
    sides_weight: float = 0.1  # of the sides' negative log-likelihood, in nats a song
    beta: float = 1e-4  # of the KL, summed over units, averaged over tokens and layers
    adversarial_from: float = 0.2  # share of the steps before the adversary is heard; then it ramps in over as many
    # the adversary
    discriminator: str = "spectral"  # spectral or mlp
    adversarial: str = "hinge"  # minimax, non_saturating or hinge
    gradient_penalty: float = 0.02  # R1 (Mescheder et al. 2018)

    def __post_init__(self) -> None:
        _check_choices(self)

    def share_of_rate(self, step: int, steps: int | None = None) -> float:
        """Of the full learning rate in a step, of the preset's ``steps`` if None: a linear warm-up, then a cosine down
        to a hundredth."""
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / (steps or self.steps))))
        return min(1.0, (step + 1) / self.warm_up) * max(0.01, cosine)


PRESETS = {
    "ci": Preset(
        "ci",
        Architecture(d_model=32, encoder_layers=1, decoder_layers=1, latent=8, frames=400, fine=32),
        songs=60,
        songs_with_audio=12,
        seconds=4.0,
        held_out=12,
        judges=3,
        steps=120,
        batch=12,
        rendered=3,
        loss_frames=24,
        learning_rate=4e-3,
        warm_up=10,
        checkpoint_every=50,
    ),
    "cpu": Preset("cpu"),
    "gpu": Preset(
        "gpu",
        Architecture(d_model=128, encoder_layers=4, decoder_layers=4, latent=32, fine=128, stride=64),
        songs_with_audio=400,
        held_out=64,
        steps=6000,
        rendered=16,
        loss_frames=96,
        learning_rate=8e-4,
        warm_up=200,
        checkpoint_every=500,
    ),
}


def preset(name: str | None = None, **changes) -> Preset:
    """The preset called ``name``, else the environment's TFRGAN_PRESET, else ``gpu`` where CUDA is there, else ``cpu``.

    ``changes`` replace single fields, for example ``preset("ci", steps=10)``. Raises UserError for an unknown name.
    """
    name = name or os.environ.get("TFRGAN_PRESET") or ("gpu" if torch.cuda.is_available() else "cpu")
    if name not in PRESETS:
        raise UserError(f"unknown preset {name!r} (--preset or TFRGAN_PRESET): choose one of {', '.join(PRESETS)}")
    return replace(PRESETS[name], **changes)
