"""TFR-GAN lite: a Transformer generator with β-VAE modules that mixes music, trained against a discriminator.

The modules stand in the order in which data flows: audio, studio, mel, serialize, positional, attention, beta_vae,
transformer, generator, discriminator, losses, train, mix. Beside them stand baselines, metrics and lesson.
"""

__version__ = "0.1.0"
