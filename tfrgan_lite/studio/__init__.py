"""Where songs come from: a composer and instruments, a console, virtual engineers; or stems that others recorded."""

from .engineer import Engineered, engineer, replay
from .folder import Songs, read_folder
from .medleydb import read_medleydb
from .musdb18 import read_musdb
from .song import Song, song

__all__ = ["Engineered", "Song", "Songs", "engineer", "read_folder", "read_medleydb", "read_musdb", "replay", "song"]
