"""Trainings of named variants, side by side in one folder: FOLDER/variant/seed. Chapter 12."""

import hashlib
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import cast

from accelerate import Accelerator

from . import judge, rivals
from .batches import LessonSet
from .cache import Cache, fingerprint
from .config import Preset
from .data import HELD_OUT
from .errors import UserError
from .files import make_folder
from .generator import Generator
from .judge import Mixed, System, by_generator
from .mix import SPREAD
from .provenance import provenance
from .studio import Song
from .train import Trainer, train
from .variants import CURVE, JITTER, SUBJECT, TIMES, VARIANTS, name_of, slug

GENERATOR, NETWORK = "generator.safetensors", "network.safetensors"
SPREADS = (0.0, 0.25, 0.5, 0.75, 1.25)  # of z, on the curve, times the usual one
TIMED_STEPS = 6
# What a mix depends on, beside the weights and what the studio and the measures depend on.
MIXED_BY = (
    *(
        "attention.py",
        "beta_vae.py",
        "generator.py",
        "heads.py",
        "listening.py",
        "mix.py",
        "positional.py",
        "rendering.py",
    ),
    *("recurrent.py", "rivals.py", "serialize.py", "sides.py", "transformer.py", "baselines"),
)
Model = Generator | rivals.Network


@dataclass
class Found:
    """Trained variants by name: one :class:`System` for each seed, and how each of them was trained, for JSON."""

    systems: dict[str, list[System]] = field(default_factory=dict)
    training: dict[str, list[dict]] = field(default_factory=dict)

    def add(self, name: str, file: Path, kind: str) -> None:
        """The weights in a file as a further seed of a variant. Raises UserError if they cannot be read."""
        model = load(file)
        self.systems.setdefault(name, []).append(system(model, file, jitter=name == JITTER))
        if "training" in card_of(model):
            self.training.setdefault(name, []).append(_told(card_of(model)["training"]))
        for spread in SPREADS if (kind, name) == (CURVE, SUBJECT) else ():
            point = f"spread{TIMES}{spread:g}"
            self.systems.setdefault(point, []).append(system(model, file, spread))


def place_of(folder: str | Path, name: str, seed: int) -> Path:
    """Where the training of a variant with a seed lies. Raises UserError for a variant that has none of its own."""
    name = name_of(name)
    weights_of = VARIANTS[name].weights_of
    if weights_of:
        raise UserError(f"variant: {name!r} has no training of its own; train {weights_of!r} and evaluate both")
    return Path(folder) / slug(name) / str(seed)


def weights_name(name: str) -> str:
    """The file that a variant's weights are in."""
    return NETWORK if VARIANTS[name_of(name)].network else GENERATOR


def train_variant(
    name: str,
    preset: Preset,
    out: str | Path,
    steps: int | None = None,
    resume: bool = False,
    progress: bool = True,
    cache: Cache | None = None,
) -> Model | None:
    """Train a variant of a preset.

    Args:
        name: one of VARIANTS, or its slug.
        preset: what the variant changes; its seed is the training's.
        out: folder for the checkpoint, which a rival network has not.
        steps: the preset's if None; of a rival network, as many as take the time of TFR-GAN's training here.
        resume, progress, cache: as :func:`tfrgan_lite.train.train` takes them.

    Returns:
        The trained model in evaluation mode; its ``card`` has ``training``: variant, steps, seconds and provenance, and
        of a generator ``own_score`` and ``held_out_score``, the energy scores of songs that it learned from and of
        held-out ones, and the discriminator's ``accuracy`` at the end. None in every process but the main one.

    Raises:
        UserError: for an unknown variant, ``resume`` of a rival network, and as :func:`tfrgan_lite.train.train`.
    """
    name = name_of(name)
    config = VARIANTS[name].config(preset if steps is None else replace(preset, steps=steps))
    about, learned = {"variant": name, "changes": VARIANTS[name].changes, **provenance(config)}, {}
    model: Model
    seconds: float | None
    network = VARIANTS[name].network
    if network:
        if resume:
            raise UserError(f"--resume: a {name} has no checkpoints to resume; train it anew")
        model, taken, seconds = _train_network(network, config, steps, progress, cache)
    else:
        trainer = train(config, out, resume, progress, cache)
        if not trainer.accelerator.is_main_process:
            return None
        model, taken, (done, seconds) = trainer.generator, trainer.step, trainer.took
        learned = _learned(trainer, progress, cache)
        # What was done before it was stopped is taken to have been as fast; None: it had been done already.
        seconds = round(seconds / done * taken) if done else None
    make_folder(Path(out))
    # PyTorch's types know of no attributes but tensors and modules.
    model.card = {"training": about | {"steps": taken, "seconds": seconds} | learned}  # type: ignore[assignment]
    return model


def _learned(trainer: Trainer, progress: bool, cache: Cache | None) -> dict[str, float]:
    """How far it has learned songs by heart, and how well its adversary tells it from engineers: the energy score of
    songs that it learned from and of as many held-out ones, and the discriminator's accuracy in the last tenth."""
    others = replace(trainer.preset, songs=trainer.preset.held_out, songs_with_audio=0)
    lessons = LessonSet(others, progress, cache, HELD_OUT)
    last = len(lessons.lessons)
    found = {"own_score": trainer.score(trainer.lessons, last), "held_out_score": trainer.score(lessons, last)}
    told = [step["accuracy"] for step in trainer.history[-max(1, trainer.step // 10) :] if "accuracy" in step]
    return found | ({"accuracy": sum(told) / len(told)} if told else {})


def _train_network(
    network: str, config: Preset, steps: int | None, progress: bool, cache: Cache | None
) -> tuple[rivals.Network, int, int]:
    lessons = LessonSet(config, progress, cache)
    model = rivals.build(network, config).to(Accelerator().device)
    steps = steps or rivals.steps_within(seconds_of_training(config, lessons), model, lessons)
    begun = time.perf_counter()
    rivals.fit(model, lessons, steps, progress)
    return model.eval(), steps, round(time.perf_counter() - begun)


def seconds_of_training(preset: Preset, lessons: LessonSet) -> float:
    """How long training a generator takes here, by a few of its steps without and with the adversary."""
    trainer, total = Trainer(preset, lessons), 0.0
    alone = round(preset.adversarial_from * preset.steps)
    for first, count in ((0, alone), (alone + 1, preset.steps - alone)):
        trainer.step = first
        trainer.fit(first + 1, progress=False)  # what is done once
        trainer.fit(first + 1 + TIMED_STEPS, progress=False)
        done, seconds = trainer.took
        total += count * seconds / done
    return total


def save(model: Model, path: Path) -> None:
    """Write a model with its card. Raises UserError if that cannot be done."""
    if isinstance(model, Generator):
        model.save(path, card_of(model))
    else:
        rivals.save(model, path, card_of(model))


def trained(folder: str | Path, kind: str) -> Found:
    """The variants of a table, one of KINDS, that were trained in a folder, each with all its seeds.

    For the curve, TFR-GAN is there with several SPREADS, too. What is measured of them is kept, under a key made of
    the weights and the code that mixes.

    Raises UserError if there is none, or weights are damaged or of another version.
    """
    found = Found()
    for name, variant in VARIANTS.items():
        for file in _weights(Path(folder), name) if kind in variant.kinds else ():
            found.add(name, file, kind)
    if not found.systems:
        raise UserError(
            f"{folder}: holds no trained variant of the {kind}; write one with python -m tfrgan_lite train --variant"
            f" NAME --out {folder}"
        )
    return found


def single(file: str | Path, kind: str) -> Found:
    """The generator whose weights are in a file as TFR-GAN, for the curve with several SPREADS. Raises UserError if
    it cannot be read."""
    found = Found()
    found.add(SUBJECT, Path(file), kind)
    return found


def _weights(folder: Path, name: str) -> Iterator[Path]:
    """The weights of a variant in a folder, by seed; who has begun and not finished is left out, with a warning."""
    base = folder / slug(VARIANTS[name].weights_of or name)
    for place in sorted((path for path in base.glob("*") if path.name.isdigit()), key=lambda path: int(path.name)):
        file = place / weights_name(name)
        if file.exists():
            yield file
        else:
            warnings.warn(f"{place}: has no {file.name} yet; left out", stacklevel=2)


def load(file: Path) -> Model:
    """The model in a file, on the CPU. Raises UserError if it cannot be read."""
    return rivals.load(file) if file.name == NETWORK else Generator.from_pretrained(file)


def card_of(model: Model) -> dict:
    """What a model's file says of its making, as ``model.card``."""
    return cast(dict, model.card)


def system(model: Model, file: Path, spread: float = 1.0, jitter: bool = False) -> System:
    """A trained model as a system, z being drawn so many times as widely as usual, with a key for the cache: what it
    mixes is the same as long as its weights in ``file``, and the code, are."""
    key = f"{MIXING} {hashlib.sha256(file.read_bytes()).hexdigest()} {spread:g} {jitter}"
    if not isinstance(model, Generator):
        return System(partial(by_network, network=model), True, key)
    if jitter:
        return System(partial(judge.by_jittered, generator=model), True, key)
    a = model.architecture
    return System(partial(by_generator, generator=model, spread=spread * SPREAD), bool(a.z) or a.mirror, key)


def by_network(song: Song, seed: int, network: rivals.Network) -> Mixed:
    """A rival network's mix, its side drawn by coin."""
    return rivals.mix(network, song.stems, song.sample_rate, song.roles, song.style, seed)


def _told(training: dict) -> dict:
    """Of a card's ``training`` what a table tells: the preset by its name alone."""
    kept = {name: value for name, value in training.items() if name not in ("torch", "threads")}
    return kept | {"preset": training["preset"]["name"]}


MIXING = fingerprint(Path(__file__).parent, MIXED_BY)  # now, as long as the code in memory is that of the files
