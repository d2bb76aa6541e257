"""Where a number comes from."""

import datetime
import platform
import subprocess
from dataclasses import asdict
from pathlib import Path

import torch

from .config import Preset


def provenance(preset: Preset) -> dict:
    """Where a number comes from: preset, seed, device, threads, library, commit and date."""
    return {
        "preset": asdict(preset),
        "seed": preset.seed,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"{platform.machine()} CPU",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "commit": _commit(),
        "date": datetime.date.today().isoformat(),
    }


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"  # installed without its history
