"""Checkpoints of a training run: the last two, each written whole or not at all, each resumed exactly. Chapter 12."""

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from .config import Preset
from .errors import UserError
from .files import fill, load_tensors, written_whole

CHECKPOINT, PREVIOUS = "checkpoint.safetensors", "checkpoint-previous.safetensors"
FREE = ("learning_rate", "discriminator_rate")  # of a preset: what may be another when a run is resumed
History = list[dict[str, float]]


@dataclass
class Stored:
    """What a checkpoint holds: of modules and optimisers all tensors, by name, and the history."""

    path: Path
    tensors: dict[str, Tensor]
    history: History

    def restore(self, modules: Mapping[str, nn.Module], optimisers: Mapping[str, torch.optim.Optimizer]) -> None:
        """Load it all. Raises UserError if the checkpoint is of another version: which tensor does not fit."""
        for name, module in modules.items():
            try:
                fill(module, _under(self.tensors, f"{name}."))
            except ValueError as error:
                raise UserError(f"{self.path}: does not fit this version ({name}: {error}); train anew") from error
        for name, optimiser in optimisers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in _under(self.tensors, f"optimiser.{name}.").items():
                index, entry = key.split(".")
                state.setdefault(int(index), {})[entry] = value
            optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def write(
    folder: Path,
    preset: Preset,
    modules: Mapping[str, nn.Module],
    optimisers: Mapping[str, torch.optim.Optimizer],
    history: History,
) -> None:
    """Write weights, optimiser states, history and preset as one safetensors file; the checkpoint before it is kept.

    Raises UserError where that cannot be done, or if a number is not finite: the checkpoints there stay as they are.
    """
    tensors: dict[str, Tensor] = {}
    for name, module in modules.items():
        tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
    for name, optimiser in optimisers.items():
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{name}.{index}.{key}": value for key, value in state.items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise UserError(f"training: {broken[0]} is not finite after step {len(history)}; no checkpoint is written")
    metadata = {"preset": json.dumps(asdict(preset)), "history": json.dumps(history)}
    path = folder / CHECKPOINT
    with written_whole(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors, metadata))
        if _is_whole(path):  # else the one before it is the better one
            path.replace(folder / PREVIOUS)


def read(folder: Path, preset: Preset) -> Stored:
    """The checkpoint in ``folder``, or, with a warning, the one before it if that is cut short.

    Raises UserError if there is none, both are damaged, or it is of another preset; the rates may be others.
    """
    path, previous = folder / CHECKPOINT, folder / PREVIOUS
    try:
        tensors, metadata = load_tensors(path)
    except (OSError, SafetensorError) as error:
        if not _is_whole(previous):
            raise UserError(f"{path}: no checkpoint to resume ({error}); train without --resume") from error
        tensors, metadata = load_tensors(previous)
        warnings.warn(f"{path}: cannot be read ({error}); {previous.name} is resumed in its place", stacklevel=2)
        path = previous
    try:
        stored, history = _flat(json.loads(metadata["preset"])), json.loads(metadata["history"])
    except (KeyError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: is no checkpoint of a training run; choose another folder") from error
    current = _flat(json.loads(json.dumps(asdict(preset))))
    for name in [*current, *stored]:
        if name not in FREE and (name not in stored or name not in current or stored[name] != current[name]):
            raise UserError(f"{path}: was trained with another {name}; resume with the same preset and version")
    return Stored(path, tensors, history)


def _is_whole(path: Path) -> bool:
    """Whether there is such a safetensors file, and it is as long as it says."""
    try:
        with safe_open(path, "pt"):
            return True
    except (OSError, SafetensorError):
        return False


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _flat(fields: dict, prefix: str = "") -> dict[str, object]:
    """Fields of fields by names with a dot between."""
    flat: dict[str, object] = {}
    for name, value in fields.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat
