"""Where songs come from: a composer with synthesised instruments, a console, virtual engineers."""

from .engineer import Engineered, engineer, replay
from .folder import read_folder
from .song import Song, song

__all__ = ["Engineered", "Song", "engineer", "read_folder", "replay", "song"]
