"""Songs of the studio as tensors to learn from, rendered once, on all cores, and kept. Chapter 12."""

import platform
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from .audio import amplitude, loudness
from .cache import Cache, fingerprint, key_of, size_of
from .config import Preset
from .cores import on_all_cores
from .discriminator import mid_side
from .errors import UserError
from .labels import STYLES, style_index
from .mel import FLOOR, power_of
from .prepare import MASTER_LUFS, front, hear, in_mels, listen, spectrum_to_log_mel, through_room
from .studio import Engineered, Song, engineer, song

HELD_OUT = 1_000_000  # seeds of held-out songs start here; training songs' start at 0

# What the bits of a rendered song depend on. Another release of these libraries may draw other numbers or round
# otherwise; as their versions count, a song from the cache is what rendering it now would give.
MAKERS = ("studio", "audio.py", "data.py", "discriminator.py", "labels.py", "mel.py", "prepare.py")
LIBRARIES = ("numpy", "scipy", "soundfile", "torch", "torchaudio")
MADE_BY = [
    fingerprint(Path(__file__).parent, MAKERS),  # now, as long as the code in memory is that of the files
    *(version(name) for name in LIBRARIES),
    platform.machine(),
]


def mixed_song(seed: int, style: str, seconds: float, engineers: int) -> tuple[Song, list[Engineered]]:
    """The studio's song of a seed and style, and its mixes by ``engineers`` engineers, who never mix another song."""
    raw = song(seed, style, seconds)
    return raw, [engineer(raw, 1000 * seed + e) for e in range(engineers)]


def on_held_out_songs(job: Callable, preset: Preset, progress: bool = True) -> Iterator:
    """The results of ``job(song, mixes)`` for the preset's held-out songs with their engineers' mixes, on all cores.

    The job must be a function of a module (or a partial of one). No training song has the seed of a held-out one.
    """
    job = partial(_with_song, job, preset.seconds, preset.judges)
    done = on_all_cores(job, _turns(HELD_OUT, preset.held_out))
    return iter(tqdm(done, "judging songs", preset.held_out, disable=not progress, unit="song"))


def _with_song(job: Callable, seconds: float, engineers: int, seed: int, style: str) -> object:
    return job(*mixed_song(seed, style, seconds, engineers))


def _turns(first: int, count: int) -> list[tuple[int, str]]:
    """``count`` songs as seed and style: seeds from ``first`` on, and the styles take turns."""
    return [(first + i, STYLES[i % len(STYLES)]) for i in range(count)]


def stereo_log_mel(spectrum: Tensor, sample_rate: int, mels: int = 80) -> Tensor:
    """Complex stereo spectra (..., 2, T, K) -> log-mel of left, right, mid, side (..., 4, T, F)."""
    return spectrum_to_log_mel(torch.cat([spectrum, mid_side(spectrum)], dim=-3), sample_rate, mels)


def mean_mel_power(spectrum: Tensor, sample_rate: int, mels: int = 80) -> Tensor:
    """Complex stereo spectra (..., 2, T, K) -> mel power of left, right, mid, side, the mean over time (..., 4, F)."""
    # Mel bands add up powers of bins: their mean over time is that of the bins, which is far less to add up.
    channels = spectrum.unbind(-3)
    left, right, side = (power_of(x).mean(-2) for x in (*channels, (channels[0] - channels[1]) / 2))
    mid = ((left + right) / 2 - side).clamp_min(0)  # |L|² + |R|² = 2 |M|² + 2 |S|²
    return in_mels(torch.stack([left, right, mid, side], dim=-2), sample_rate, mels)


def leans_right(dry: Tensor, wet: Tensor, roles: Tensor) -> bool:
    """Whether a mix is the mirror image of the one that is learned: its first panned track went right.

    Left and right are a symmetry of mixing. It is taken out of the network: in training every such mix is mirrored,
    with its stems; in use a coin decides whether to mirror the result. The first track is that of the lowest role, and
    of two of one role the duller; a track is panned if its balance moved by more than 1 dB.

    Args:
        dry, wet: mean mel powers (N, 4, F) of the tracks' left, right, middle and side.
        roles: (N,) indices into ROLES.
    """
    balance = [10 * torch.log10(x[:, :2].sum(-1) + FLOOR) for x in (dry, wet)]
    moved = (balance[1] - balance[0]).diff(dim=-1)[:, 0]  # to the right, in dB
    band = torch.arange(dry.shape[-1])
    dry = dry[:, 2] + dry[:, 3]
    centre = (dry * band).sum(-1) / dry.sum(-1).clamp_min(FLOOR)
    order = (roles * dry.shape[-1] + centre).argsort()
    panned = [float(moved[k]) for k in order if abs(float(moved[k])) > 1]
    return bool(panned) and panned[0] > 0


def song_tensors(raw: Song, mixes: list[Engineered], mels: int, audio: bool = True) -> dict[str, Tensor]:
    """All that training needs of a song and M engineers' mixes of it; audio and log-mels in half precision.

    Returns:
        ``envelope`` and ``meters`` of the levelled dry tracks, as :class:`tfrgan_lite.prepare.Listened` has them;
        ``dry_power`` (N, 4, F), the mean mel power of their left, right, middle and side; ``roles`` and ``present``
        (N,); ``style`` (); and of the mixes their loudness ``lufs`` (M,), ``mirrored`` (M,), and with those mirrored
        and all at -20 LUFS ``wet_power`` (M, N, 4, F).

        With ``audio`` also what frames are compared with: ``log_mel`` (N, T, F) of the dry tracks; ``dry`` (C,
        samples), their channels, one for a track whose two are equal; ``sides`` (N, 2), each track's left and right
        among them; ``reverb`` (N, 2, samples); ``mix_log_mel`` (M, 4, T, F) of left, right, mid, side;
        ``stems_log_mel`` (M, N, 2, T, F).
    """
    rate = raw.sample_rate
    heard = hear(raw.stems, rate, raw.roles)
    stft = front(rate, mels).stft
    spectrum = stft(heard.dry)
    listened = listen(heard.dry, spectrum, rate, mels)
    song = {
        "envelope": listened.envelope.half(),
        "meters": listened.meters,
        "dry_power": mean_mel_power(spectrum, rate, mels),
        "roles": heard.roles,
        "present": heard.present,
        "style": torch.tensor(style_index(raw.style)),
    }
    columns: dict[str, list[Tensor]] = {}
    for mixed in mixes:
        lufs = loudness(mixed.mix, rate)
        wet = stft(mixed.wet_stems * amplitude(MASTER_LUFS - lufs))
        power = mean_mel_power(wet, rate, mels)
        mirrored = leans_right(song["dry_power"], power, heard.roles)
        turn = [1, 0] if mirrored else [0, 1]
        row = {"lufs": lufs, "mirrored": torch.tensor(mirrored), "wet_power": power[:, [*turn, 2, 3]]}
        if audio:
            row["mix_log_mel"] = stereo_log_mel(wet.sum(0)[turn], rate, mels).half()
            row["stems_log_mel"] = spectrum_to_log_mel(wet[:, turn], rate, mels).half()
        for key, value in row.items():
            columns.setdefault(key, []).append(value)
    song |= {key: torch.stack(column) for key, column in columns.items()}
    if audio:
        dry = heard.dry.half()
        wide = [not torch.equal(*track) for track in dry]
        last = torch.tensor(wide).add(1).cumsum(0) - 1  # of each track's channels
        song |= {
            "log_mel": listened.log_mel.half(),
            "dry": torch.cat([track if two else track[:1] for track, two in zip(dry, wide, strict=True)]),
            "sides": torch.stack([last - torch.tensor(wide).long(), last], dim=1),
            "reverb": through_room(heard.dry, rate).half(),
        }
    return song


def training_songs(preset: Preset, cache: Cache, progress: bool = True, first: int = 0) -> list[dict[str, Tensor]]:
    """The preset's training songs, or as many others whose seeds start at ``first``, as :func:`song_tensors`, from the
    cache, or rendered into it on all cores.

    They are the same for every seed of training; the first ``songs_with_audio`` have audio. The bar begins with the
    songs that are there, and says what the others will take once one of each kind is rendered. With a cache that keeps
    nothing, the songs are in memory.

    Raises UserError if the cache has no room for them or cannot be written to.
    """
    recipe = (preset.seconds, preset.mixes, preset.architecture.mels)
    songs = {}
    for number, turn in enumerate(_turns(first, preset.songs)):
        made_of = (*turn, *recipe, number < preset.songs_with_audio)
        songs[key_of(MADE_BY, *made_of)] = made_of
    checked = tqdm(songs, "checking songs", disable=not progress, unit="song", leave=False, delay=1)
    there = {key: found for key in checked if (found := cache.get(key)) is not None}
    missing = [key for key in songs if key not in there]
    if not missing:
        return list(there.values())
    kinds: dict[tuple[str, bool], list[str]] = {}  # by style and audio
    for key in missing:
        kinds.setdefault((songs[key][1], songs[key][-1]), []).append(key)
    samples = [keys[0] for keys in kinds.values()]
    rest = [key for key in missing if key not in set(samples)]
    with tqdm(None, "rendering songs", len(songs), disable=not progress, initial=len(there), unit="song") as bar:
        rendered = on_all_cores(_rendered, [(MADE_BY, None, key, songs[key]) for key in samples])
        size = 0
        for keys, tensors in zip(kinds.values(), rendered, strict=True):
            there[keys[0]] = tensors
            size += len(keys) * sum(tensor.nbytes for tensor in tensors.values())
            bar.update()
        bar.set_description(f"rendering songs, about {size_of(size)} in {cache}")
        cache.make_room(size, songs)
        for key in samples:
            cache.put(key, there[key])
            there[key] = cache.get(key) or there[key]
        others = on_all_cores(_rendered, [(MADE_BY, cache, key, songs[key]) for key in rest])
        for key, tensors in zip(rest, others, strict=True):
            # Where both are None, another run has thrown it out meanwhile.
            there[key] = tensors or cache.get(key) or _rendered(MADE_BY, None, key, songs[key])
            cache.make_room(0, songs)
            bar.update()
    return [there[key] for key in songs]


def _rendered(made_by: list[str], cache: Cache | None, key: str, made_of: tuple) -> dict[str, Tensor] | None:
    """A song's tensors, or None if they are in the cache."""
    if made_by != MADE_BY:
        raise UserError("tfrgan_lite: its files have changed since this program began; start it again")
    seed, style, seconds, engineers, mels, audio = made_of
    tensors = song_tensors(*mixed_song(seed, style, seconds, engineers), mels, audio)
    if cache is None or not cache.limit:
        return tensors
    cache.put(key, tensors)
    return None
