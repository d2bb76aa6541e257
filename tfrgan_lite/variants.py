"""Named variants of an experiment: what each changes of a preset, and what its row in a table answers. Chapter 12."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .config import Preset
from .errors import UserError

SUBJECT = "TFR-GAN"
COIN, JITTER = "regression with coin", "regression with coin and jitter"
RIVALS = ("console network", "wave U-Net")
PAPER = "paper's recipe"
FEW = "a tenth of the songs"
MIXERS, ABLATIONS, CURVE = KINDS = ("mixers", "ablations", "curve")
TIMES = " × "  # in the name of a point of the curve: between what is changed, and how many times it is as large
RECONSTRUCTION = {"adversarial_weight": 0.0, "energy_weight": 0.0}


@dataclass(frozen=True)
class Variant:
    """One row.

    Attributes:
        answers: what its row tells, a line.
        preset, architecture: fields that have another value.
        times: fields of the preset that are so many times as large.
        network: trained in place of a generator, one of :data:`tfrgan_lite.rivals.NETWORKS`.
        weights_of: the variant whose weights it uses; it has no training of its own.
        kinds: of KINDS, the tables that it is in.
    """

    answers: str
    preset: Mapping[str, object] = field(default_factory=dict)
    architecture: Mapping[str, Any] = field(default_factory=dict)
    times: Mapping[str, float] = field(default_factory=dict)
    network: str | None = None
    weights_of: str | None = None
    kinds: tuple[str, ...] = (ABLATIONS,)

    def config(self, preset: Preset) -> Preset:
        """A preset with the variant's changes."""
        scaled = {name: type(value := getattr(preset, name))(factor * value) for name, factor in self.times.items()}
        return replace(
            preset, architecture=replace(preset.architecture, **self.architecture), **{**self.preset, **scaled}
        )

    @property
    def changes(self) -> str:
        """What it changes, as on a command line: ``send=False``; empty if nothing."""
        changed = [f"{name}={value!r}" for name, value in {**self.architecture, **self.preset}.items()]
        return ", ".join(changed + [f"{name} times {factor:g}" for name, factor in self.times.items()])


def _mixer(answers: str, **fields) -> Variant:
    return Variant(answers, kinds=(MIXERS,), **fields)


def _loss(answers: str, **preset) -> Variant:
    return Variant(answers, preset)


def _shape(answers: str, **architecture) -> Variant:
    return Variant(answers, architecture=architecture)


def _point(answers: str, **fields) -> Variant:
    return Variant(answers, kinds=(CURVE,), **fields)


def _few(answers: str, **fields) -> Variant:
    return Variant(answers, times={"songs": 0.1}, **fields)


BETA = "How far can β go before the modules' units die?"
VARIANTS = {
    "regression": _mixer(
        "What does the network learn from reconstruction alone, one mix a song?",
        architecture={"z": 0, "mirror": False},
        preset=RECONSTRUCTION,
    ),
    COIN: _mixer(
        "How far does a regression get whose sides are drawn by coin?", architecture={"z": 0}, preset=RECONSTRUCTION
    ),
    JITTER: _mixer("Is a learned taste more than the engineers' own scatter, added blindly?", weights_of=COIN),
    RIVALS[0]: _mixer("Is a Transformer worth it where a network for gain and pan exists?", network="GainPanNetwork"),
    RIVALS[1]: _mixer("Is a console worth it where a network for waveforms exists?", network="WaveUNet"),
    PAPER: Variant(
        "Do noise in the start token and an adversary suffice for diverse mixes, as the paper has it?",
        {"posterior": False, "energy_weight": 0.0},
        {"z_to": "start"},
        kinds=(MIXERS, ABLATIONS),
    ),
    SUBJECT: Variant("The generator with all its parts.", kinds=KINDS),
    "no β-VAE": _shape("Do β-VAE modules after the feed-forward networks help?", latent=0),
    "β = 0": _loss(BETA, beta=0.0),
    "β = 1e-3": _loss(BETA, beta=1e-3),
    "β = 1e-2": _loss(BETA, beta=1e-2),
    "β = 1e-1": _loss(BETA, beta=1e-1),
    "no adversary": _loss("Does adversarial training make the mixes true to the data?", adversarial_weight=0.0),
    "MLP critic": _loss("Does the paper's own discriminator, an MLP, do as well?", discriminator="mlp"),
    "no latent encoder": _loss("Must training tell z how a song was mixed?", posterior=False),
    "no energy score": _loss("Must what is drawn in use be judged in training?", energy_weight=0.0),
    "noise in the start token alone": _shape("Is noise heard that enters where the paper has it?", z_to="start"),
    "mirror left to the latent": _shape("Can z carry left and right, which is outside of the network?", mirror=False),
    "no reverb send": _shape("Can gains alone make an engineer's width?", send=False),
    "no mid/side term": _loss("Does the loss have to look at middle and sides?", mid_side=False),
    "no attention across tracks": _shape("Does attention across tracks coordinate them?", across_tracks=False),
    "no fine head": _shape("Is a console enough, or do frames and bins need a second, finer decoder?", fine=0),
    "16×16 patches": _shape("Do patches suit a mel spectrogram better than strips of frames?", tokens="patches"),
    "no position": _shape("Does position encoding strengthen the Transformer?", position="none"),
    "sinusoidal position": _shape("Does it have to be learned?", position="sinusoidal"),
    "LSTM": _shape("Does attention grasp what a bidirectional LSTM of its size does not?", core="lstm"),
    FEW: _few("What is learned by heart where songs are few?"),
    f"{FEW}, no β-VAE": _few("And more of it without the modules?", architecture={"latent": 0}),
    f"{FEW}, β = 1e-2": _few("Does a higher β keep from it?", preset={"beta": 1e-2}),
    "latent KL × 0.25": _point("What does a cheaper latent buy?", times={"latent_weight": 0.25}),
    "latent KL × 4": _point("And a dearer one?", times={"latent_weight": 4.0}),
    "adversary × 0": _point("What is drawn without the adversary?", weights_of="no adversary"),
    "adversary × 4": _point("And with a louder one?", times={"adversarial_weight": 4.0}),
}


def slug(name: str) -> str:
    """A variant's name as a folder's: ``β = 1e-3`` is beta-1e-3."""
    spelt = name.lower().replace("β", "beta").replace("×", "x").replace("'", "")
    plain = unicodedata.normalize("NFKD", spelt).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def name_of(given: str) -> str:
    """The name of the variant that is called so, or whose :func:`slug` it is. Raises UserError if there is none."""
    for name in VARIANTS:
        if given in (name, slug(name)):
            return name
    raise UserError(f"variant: there is none called {given!r} (--variant); choose one of {', '.join(VARIANTS)}")
