"""The smallest experiment that still has every part, for tests."""

from tfrgan_lite.config import Architecture, preset

SMALL = Architecture(
    d_model=16, heads=2, encoder_layers=1, decoder_layers=1, latent=4, z=4, stride=32, frames=64, fine=16
)
TINY = preset(
    "ci",
    architecture=SMALL,
    songs=4,
    songs_with_audio=3,
    seconds=2.0,
    mixes=1,
    steps=8,
    batch=3,
    rendered=2,
    loss_frames=16,
    warm_up=2,
    checkpoint_every=3,
)
