"""How a mix and a latent code are judged. Beside the model: nothing here imports it."""
