"""tfrgan_lite.discriminator: shapes, mid and side, and that D learns what can be told apart and nothing else."""

import pytest
import torch

from tfrgan_lite.discriminator import MLPDiscriminator, SpectralDiscriminator, build_discriminator, mid_side
from tfrgan_lite.losses import discriminator_log_loss

FRAMES, MELS = 32, 16


def mixes(n: int, seed: int, tilt: float = 0.0) -> torch.Tensor:
    """Log-mels (n, 2, FRAMES, MELS) of noise, with a tilt over frequency."""
    noise = torch.randn(n, 2, FRAMES, MELS, generator=torch.Generator().manual_seed(seed))
    return noise - 4 + tilt * torch.linspace(-1, 1, MELS)


def accuracy_after_training(kind: str, tilt: float) -> float:
    """Share of new mixes that D, trained for a moment, puts on the right side."""
    torch.manual_seed(0)
    model = build_discriminator(kind, FRAMES, MELS)
    optimiser = torch.optim.Adam(model.parameters(), 2e-3)
    style = torch.zeros(32, dtype=torch.long)
    for step in range(60):
        real, fake = mixes(32, 2 * step, tilt), mixes(32, 2 * step + 1)
        loss = discriminator_log_loss(model(real, style), model(fake, style))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    style = torch.zeros(400, dtype=torch.long)
    real, fake = model(mixes(400, 1000, tilt), style), model(mixes(400, 1001), style)
    return ((real.mean(1) > 0).float().mean().item() + (fake.mean(1) <= 0).float().mean().item()) / 2


def test_mid_side_of_a_centred_and_of_a_one_sided_sound():
    left = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    centred = mid_side(torch.stack([left, left]))
    torch.testing.assert_close(centred, torch.stack([left, torch.zeros_like(left)]))
    one_sided = mid_side(torch.stack([left, torch.zeros_like(left)]))
    torch.testing.assert_close(one_sided[0], one_sided[1])
    torch.testing.assert_close(one_sided.sum(0), left)  # mid + side is left again


@pytest.mark.parametrize("kind", ["mlp", "spectral"])
def test_learns_to_tell_two_distributions_apart(kind):
    assert accuracy_after_training(kind, tilt=1.0) > 0.9


@pytest.mark.parametrize("kind", ["mlp", "spectral"])
def test_is_at_chance_where_there_is_nothing_to_tell(kind):
    assert accuracy_after_training(kind, tilt=0.0) == pytest.approx(0.5, abs=0.07)


def test_mlp_gives_one_logit_a_mix_and_spectral_one_a_patch():
    x, style = mixes(3, 0), torch.tensor([0, 1, 3])
    assert MLPDiscriminator(FRAMES, MELS)(x, style).shape == (3, 1)
    patches = SpectralDiscriminator(MELS)(x, style)
    assert patches.shape[0] == 3 and patches.shape[1] > 1
    assert SpectralDiscriminator(MELS)(torch.cat([x, x], dim=2), style).shape[1] > patches.shape[1]


def test_a_patch_judges_its_own_time_only():
    model, x, style = SpectralDiscriminator(MELS), mixes(1, 0).repeat(1, 1, 8, 1), torch.tensor([0])
    changed = x.clone()
    changed[:, :, -8:] += 5
    same = torch.isclose(model(x, style), model(changed, style))
    assert same[0, 0] and not same.all()


@pytest.mark.parametrize("kind", ["mlp", "spectral"])
def test_judgement_depends_on_the_style_and_on_where_in_frequency(kind):
    torch.manual_seed(1)
    model, x = build_discriminator(kind, FRAMES, MELS), mixes(1, 0, tilt=3.0)
    pop, rock = (model(x, torch.tensor([style])) for style in (0, 1))
    assert not torch.allclose(pop, rock)
    assert not torch.allclose(pop.mean(), model(x.flip(-1), torch.tensor([0])).mean(), atol=1e-4)


@pytest.mark.parametrize("kind", ["mlp", "spectral"])
def test_mixes_of_a_batch_do_not_see_each_other(kind):
    model, x, style = build_discriminator(kind, FRAMES, MELS), mixes(4, 0), torch.tensor([0, 1, 2, 3])
    torch.testing.assert_close(model(x, style)[2:3], model(x[2:3], style[2:3]))


def test_unknown_kind_is_named():
    with pytest.raises(ValueError, match="'big'"):
        build_discriminator("big", FRAMES, MELS)
