"""One held-out song: what its engineers did, and what each system makes of it, in numbers. Chapter 09."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import baselines
from .audio import amplitude, decibels, loudness, true_peak_db
from .cache import Cache, fingerprint, key_of
from .config import Preset
from .data import MADE_BY, mixed_song
from .generator import Generator
from .heads import NEPER_DB, Console, k_weights
from .mel import mel_filter_bank, mel_points
from .metrics.features import audible, console_settings, covered, features, mean_power, presence_change, settings
from .metrics.mixing import match_loudness, spectra, spectral_distance, unswapped, views
from .mix import SPREAD, Mixer
from .studio import Engineered, Song
from .studio.decide import focus_of
from .studio.ears import by_width, listen
from .studio.taste import CENTRE_ROLES
from .studio.tracks import tracks_of

COMPARED = 2  # engineers whose sound, not only its log-mel, a mix is compared with
MEASURES = fingerprint(Path(__file__).parent, ("metrics", "judge.py"))
Mixed = tuple[Tensor, Tensor] | tuple[Tensor, Tensor, list[dict[str, float]]]


@dataclass(frozen=True)
class System:
    """Something that mixes.

    Attributes:
        mix: a function of a module, or a partial of one, so that other processes can have it. It takes a song and a
            seed and returns the mix (2, samples) and the wet stems (N, 2, samples), in the order of the song's tracks,
            and may return the console as a third: a dict a track with gain_db, pan and send_db.
        random: whether another seed is another mix; it is then asked for several.
        key: names all that its mixes depend on beside the song, and what it is measured by; they are then measured once
            and kept in the cache. None for a system that changes, as by training.
    """

    mix: Callable[[Song, int], Mixed]
    random: bool = True
    key: str | None = None


def by_generator(song: Song, seed: int, generator: Generator, spread: float = SPREAD) -> Mixed:
    """A take of a generator, its z drawn with a standard deviation."""
    mixer = Mixer(tracks_of(song.stems, song.sample_rate, song.roles), song.style, generator, spread=spread)
    return mixer.finished(mixer.takes([seed])[0])


def by_jittered(song: Song, seed: int, generator: Generator, jitter: baselines.Jitter | None = None) -> Mixed:
    """A take of a generator, its console moved about as far as engineers are apart: by the shipped jitter if None.

    Where a generator has no z, it knows one answer beside the sides; this is the simplest way to several.
    """
    rate = song.sample_rate
    mixer = Mixer(tracks_of(song.stems, rate, song.roles), song.style, generator)
    (take,) = mixer.takes([seed])
    power = mean_power(song.stems, rate).sum(1)
    power = power @ mel_filter_bank(rate, 2 * (power.shape[1] - 1), mixer.shape.mels)
    loud = torch.where(mixer.present, -mixer.trim_db, -torch.inf)  # the trim brings all to one loudness
    console = jittered(take.console, power, jitter or baselines.Jitter.load(), loud, seed)
    return mixer.finished(replace(take, console=console))


def jittered(console: Console, power: Tensor, jitter: baselines.Jitter, loud: Tensor, seed: int) -> Console:
    """A song's console (1, N, ...) after a draw of level, tilt and send for each track.

    The level is the loudness to which the fader brings a track: what the tilt takes away, the fader gives back.

    Args:
        console: the settings.
        power: mean mel power (N, F) of the dry tracks.
        jitter, loud, seed: what draws, and its arguments.
    """
    level_db, tilt_db, send_db = jitter.draw(loud, seed)
    tilt = jitter.shelves_db(tilt_db, mel_points(power.shape[1])[1:-1]) / NEPER_DB
    heard = power * k_weights(power.shape[1]) * (2 * console.bands[0]).exp()
    before, after = (x.sum(1) + 1e-12 for x in (heard, heard * (2 * tilt).exp()))
    return replace(
        console,
        gain=console.gain + level_db / NEPER_DB - 0.5 * torch.log(after / before),
        bands=console.bands + tilt,
        send=console.send * amplitude(send_db),
    )


def by_rule(song: Song, seed: int, rule: str) -> Mixed:
    """A baseline's mix, by its name in :mod:`tfrgan_lite.baselines`."""
    return getattr(baselines, rule)(song.stems, song.sample_rate, song.roles)


def by_static_rule(song: Song, seed: int, coin: bool) -> Mixed:
    """The mix of the rule that was learned, its sides drawn by coin or not."""
    rule = baselines.StaticRule.load()
    return rule(song.stems, song.sample_rate, song.roles, song.style, seed if coin else None)


def judged(seed: int, style: str, systems: dict[str, System], preset: Preset, cache: Cache) -> tuple[dict, dict]:
    """The engineers' side of the preset's held-out song of a seed, and each system's.

    Returns:
        ``truth`` and system -> ``made``: as :func:`truth_of` and :func:`made_by`, but for the engineers' views.
    """
    key = truth_key(seed, style, preset)
    truth = cache.get(key)
    # The engineers' mixes are not kept: the first ones are quickly made again.
    raw, mixes = mixed_song(seed, style, preset.seconds, COMPARED if truth else preset.judges)
    if truth is None:
        truth = truth_of(raw, mixes)
        cache.put(key, truth)
    references = [sounds(mixed.mix, raw.sample_rate) for mixed in mixes[:COMPARED]]
    made = {}
    for name, system in systems.items():
        own = key_of(key, system.key) if system.key else None
        kept = cache.get(own) if own else None
        made[name] = kept or made_by(system, raw, truth, references, preset.judges)
        if own and not kept:
            cache.put(own, made[name])
    return {name: value.clone() for name, value in truth.items() if name not in ("matched", "as_is", "dry")}, made


def truth_key(seed: int, style: str, preset: Preset) -> str:
    """The key under which a song's :func:`truth_of` is kept."""
    return key_of(MADE_BY, MEASURES, seed, style, preset.seconds, preset.judges)


def truth_of(raw: Song, mixes: list[Engineered]) -> dict[str, Tensor]:
    """What is known of a song and of E engineers' mixes of it.

    Returns:
        ``matched`` and ``as_is`` (E, 2, T, F), the views in half precision; ``dry`` (N, 2, K), the tracks' mean power;
        :func:`described` and ``console_settings`` of the mixes; ``matched_db``, ``unswapped_db`` and ``as_is_db``
        (E, E), their distances from each other, and ``stft`` and ``stft_mid_side`` (1, 1) of the first two;
        ``present`` (N,), the audible tracks; ``movers`` (N,), those of them that are neither drums nor bass nor the
        focus; ``keys`` (), the first audible keys track of a song that has a focus, or -1.
    """
    rate = raw.sample_rate
    dry = mean_power(raw.stems, rate)
    heard, present = listen(by_width(raw.stems), rate), audible(dry, rate)
    focus = focus_of(heard, raw.roles, raw.names)
    moves = torch.tensor([role not in CENTRE_ROLES and k != focus for k, role in enumerate(raw.roles)])
    keys = [k for k, role in enumerate(raw.roles) if role == "keys" and present[k] and focus not in (None, k)]
    both = [views(mixed.mix, rate) for mixed in mixes]
    matched, as_is = (torch.stack([pair[i] for pair in both]).half() for i in (0, 1))
    first, second = (sounds(mixed.mix, rate) for mixed in mixes[:COMPARED])
    return {
        "matched": matched,
        "as_is": as_is,
        "dry": dry,
        "present": present,
        "movers": moves & present,
        "keys": torch.tensor(keys[0] if keys else -1),
        **_stacked([described(mixed.mix, mixed.wet_stems, dry, rate) for mixed in mixes]),
        "console": torch.stack([console_settings(mixed.console) for mixed in mixes]),
        **_distances(matched, as_is, matched, as_is),
        **_spectral_distances(first, [second]),
    }


def made_by(
    system: System, raw: Song, truth: dict[str, Tensor], references: list[dict], takes: int
) -> dict[str, Tensor]:
    """What a system makes of a song in S takes, ``takes`` of a random system and 1 of another.

    Returns:
        :func:`described` of its mixes, and ``console`` if it told; ``matched_db``, ``unswapped_db`` and ``as_is_db``
        (S, E), distances to the engineers' mixes, ``stft`` and ``stft_mid_side`` (1, references) of the first take;
        ``between_db`` (), the distance of its first two takes, 0 for one; ``permutation_db`` (), the largest difference
        in the wet stems if the tracks come in reverse order, dB of full scale.
    """
    rate, rows, consoles, seen = raw.sample_rate, [], [], []
    for seed in range(takes if system.random else 1):
        mix, wet, *console = system.mix(raw, seed)
        if seed == 0:
            turned = replace(raw, stems=raw.stems.flip(0), roles=raw.roles[::-1], names=raw.names[::-1])
            moved = (system.mix(turned, 0)[1].flip(0) - wet).abs().max()
            first = mix.nan_to_num()
        rows.append(described(mix, wet, truth["dry"], rate))
        seen.append(views(mix.nan_to_num(), rate))
        consoles += [console_settings(strips) for strips in console]
    matched, as_is = (torch.stack([pair[i] for pair in seen]) for i in (0, 1))
    between = _mirror_free(matched[0], matched[1]) if len(matched) > 1 else torch.zeros(())
    return {
        **_stacked(rows),
        **({"console": torch.stack(consoles)} if consoles else {}),
        **_distances(matched, as_is, truth["matched"], truth["as_is"]),
        **_spectral_distances(sounds(first, rate), references),
        "between_db": between,
        "permutation_db": decibels(moved.nan_to_num(nan=torch.inf)),
    }


def described(mix: Tensor, wet: Tensor, dry: Tensor, sample_rate: int) -> dict[str, Tensor]:
    """One mix without its sound: its ``features``; ``settings`` (N, 6) and ``presence`` (N,), changes from dry to wet;
    ``covered`` (N,); ``validity`` (3,): true peak in dBTP, LUFS, and how many samples are not finite, which count as 0
    elsewhere.
    """
    bad = sum(audio.numel() - np.count_nonzero(np.isfinite(audio.numpy())) for audio in (mix, wet))
    if bad:
        mix, wet = mix.nan_to_num(), wet.nan_to_num()
    power = mean_power(wet, sample_rate)
    return {
        "features": features(mix, sample_rate),
        "settings": settings(dry, power, sample_rate),
        "presence": presence_change(dry, power, sample_rate),
        "covered": covered(power, sample_rate),
        "validity": torch.tensor([true_peak_db(mix), float(loudness(mix, sample_rate)), float(bad)]),
    }


def sounds(mix: Tensor, sample_rate: int) -> dict[str, list[Tensor]]:
    """What the multi-resolution distances compare of a mix (2, samples), loudness matched."""
    mix = match_loudness(mix, sample_rate)
    return {"stft": spectra(mix), "stft_mid_side": spectra(mix, mid_side=True)}


def _spectral_distances(mix: dict, references: list[dict]) -> dict[str, Tensor]:
    return {name: torch.tensor([[spectral_distance(mix[name], other[name]) for other in references]]) for name in mix}


def _distances(matched: Tensor, as_is: Tensor, true_matched: Tensor, true_as_is: Tensor) -> dict[str, Tensor]:
    """Each take's distances to each engineer: (S, E)."""
    return {
        "matched_db": torch.stack([_mirror_free(x, true_matched) for x in matched]),
        "unswapped_db": torch.stack([unswapped(x, true_matched) for x in matched]),
        "as_is_db": torch.stack([_mirror_free(x, true_as_is) for x in as_is]),
    }


def _mirror_free(x: Tensor, y: Tensor) -> Tensor:
    return torch.minimum(unswapped(x, y), unswapped(x.flip(-3), y))


def _stacked(rows: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
