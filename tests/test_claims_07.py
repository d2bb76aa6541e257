"""What chapter 07 says, equation by equation and number by number."""

import ast
import math

import pytest
import torch
from prose import cells
from scipy.stats import wasserstein_distance
from torch.distributions import Normal

from tfrgan_lite import losses
from tfrgan_lite.config import Preset
from tfrgan_lite.discriminator import build_discriminator, mid_side
from tfrgan_lite.lesson.crowd import covered, eight_bells
from tfrgan_lite.mel import LogMel
from tfrgan_lite.studio import console, taste

X = torch.linspace(-12, 12, 4801, dtype=torch.float64)
STEP = X[1] - X[0]


def bell(mean: float, width: float) -> torch.Tensor:
    mean, width = (torch.tensor(x, dtype=torch.float64) for x in (mean, width))
    return Normal(mean, width).log_prob(X).exp()


P_DATA, P_MODEL = 0.5 * bell(-1.5, 0.5) + 0.5 * bell(1.5, 0.5), bell(0.0, 1.5)


def integral(values: torch.Tensor) -> float:
    return float(values.sum() * STEP)


def value(d: torch.Tensor, p: torch.Tensor, q: torch.Tensor) -> float:
    """V(D, G) for densities p and q and a D given on the grid."""
    return integral(p * d.log() + q * (1 - d).log())


def jsd(p: torch.Tensor, q: torch.Tensor) -> float:
    m = (p + q) / 2
    return 0.5 * integral(p * (p / m).log()) + 0.5 * integral(q * (q / m).log())


def test_claim_07_coin():
    """A guitar to the left, to the right, and the average of both: that one is in the centre."""
    guitar = 0.1 * torch.randn(1, 4410, generator=torch.Generator().manual_seed(0))
    heads, tails = (console.pan(guitar, 44100, place) for place in (-0.8, 0.8))
    assert heads[0].norm() > 2 * heads[1].norm() and tails[1].norm() > 2 * tails[0].norm()
    average = (heads + tails) / 2
    torch.testing.assert_close(average[0], average[1])


def test_eq_07_regression():
    a = 0.8
    y = torch.tensor([-a, a])
    answers = torch.linspace(-1, 1, 201)
    squared = (answers[:, None] - y).square().mean(1)
    torch.testing.assert_close(squared, answers.square() + a**2)
    assert answers[squared.argmin()] == pytest.approx(0, abs=1e-6)


def test_claim_07_absolute():
    a = 0.8
    y, answers = torch.tensor([-a, a]), torch.linspace(-1, 1, 201)
    between = answers.abs() <= a
    torch.testing.assert_close((answers[between, None] - y).abs().mean(1), torch.full((int(between.sum()),), a))
    assert ((answers[~between, None] - y).abs().mean(1) > a).all()


def test_claim_07_on_paper():
    told = torch.tensor([0.9]).logit(), torch.tensor([0.2]).logit()
    assert math.log(0.9) + math.log(1 - 0.2) == pytest.approx(-0.3285, abs=5e-5)
    assert -losses.discriminator_log_loss(*told).item() == pytest.approx(-0.3285, abs=5e-5)


def test_eq_07_value():
    real, fake = torch.tensor([0.9, 0.6]).logit(), torch.tensor([0.2, 0.5]).logit()
    expected = (math.log(0.9) + math.log(0.6)) / 2 + (math.log(0.8) + math.log(0.5)) / 2
    assert -losses.discriminator_log_loss(real, fake).item() == pytest.approx(expected)


def test_eq_07_optimal_d():
    best = P_DATA / (P_DATA + P_MODEL)
    top = value(best.clamp(1e-12, 1 - 1e-12), P_DATA, P_MODEL)
    for seed in range(5):  # any other D does worse
        shift = 0.2 * torch.randn(len(X), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        assert value((best + shift).clamp(1e-3, 1 - 1e-3), P_DATA, P_MODEL) < top
    y = torch.linspace(0.001, 0.999, 999)
    assert y[(0.3 * y.log() + 0.1 * (1 - y).log()).argmax()] == pytest.approx(0.3 / 0.4, abs=1e-3)


def test_eq_07_jsd():
    best = (P_DATA / (P_DATA + P_MODEL)).clamp(1e-300, 1 - 1e-16)
    assert value(best, P_DATA, P_MODEL) == pytest.approx(-math.log(4) + 2 * jsd(P_DATA, P_MODEL), abs=1e-6)


def test_claim_07_log2():
    assert jsd(P_DATA, P_DATA) == pytest.approx(0, abs=1e-9)
    assert 0.01 < jsd(P_DATA, P_MODEL) < math.log(2)
    apart = jsd(bell(-6, 0.5) + 1e-300, bell(6, 0.5) + 1e-300)
    assert apart == pytest.approx(math.log(2), abs=1e-6)


def test_eq_07_equilibrium():
    half = torch.full_like(X, 0.5)
    assert value(half, P_DATA, P_DATA) == pytest.approx(-math.log(4), abs=1e-6)
    assert -math.log(4) == pytest.approx(-1.386, abs=5e-4)
    constant = torch.linspace(0.01, 0.99, 99)  # the best constant D on equal densities
    assert constant[(constant.log() + (1 - constant).log()).argmax()] == pytest.approx(0.5)


def test_claim_07_slip():
    assert math.exp(0.5) > 1


def test_eq_07_gradients():
    logit = torch.linspace(-5, 5, 11, requires_grad=True)
    d = logit.sigmoid()
    (saturating,) = torch.autograd.grad(torch.log(1 - d).sum(), logit, retain_graph=True)
    torch.testing.assert_close(saturating, -d)
    (other,) = torch.autograd.grad(-torch.log(d).sum(), logit)
    torch.testing.assert_close(other, -(1 - d))
    for loss, expected in (
        (losses.generator_minimax_loss, saturating),
        (losses.generator_non_saturating_loss, other),
    ):
        (gradient,) = torch.autograd.grad(loss(logit), logit)
        torch.testing.assert_close(gradient * len(logit), expected)


def test_claim_07_saturates():
    """What reaches the logit of a fake on which D is almost sure, for the paper's loss and for the other."""
    fake = torch.tensor([-7.0], requires_grad=True)
    (paper,) = torch.autograd.grad(losses.generator_minimax_loss(fake), fake)
    (other,) = torch.autograd.grad(losses.generator_non_saturating_loss(fake), fake)
    assert -0.001 < paper < 0 and other == pytest.approx(-1, abs=0.001)


def test_claim_07_softplus():
    """Where a sigmoid rounds to 0 its logarithm is lost, and the package's losses are as the formulas have it."""
    moderate, extreme = torch.linspace(-5, 5, 11), torch.tensor([-200.0])
    d = moderate.sigmoid()
    formula = -d.log().mean() - (1 - d).log().mean()
    torch.testing.assert_close(losses.discriminator_log_loss(moderate, moderate), formula)
    assert extreme.sigmoid().log().isinf() and losses.generator_non_saturating_loss(extreme) == 200


def test_eq_07_r1():
    x = torch.randn(16, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    logits = (x**3).sum(1, keepdim=True)
    expected = 0.5 * (3 * x.detach() ** 2).square().sum(1).mean()
    torch.testing.assert_close(losses.gradient_penalty(logits, x), expected)


def test_eq_07_hinge():
    real, fake = torch.tensor([2.0, 0.25, -1.0]), torch.tensor([-3.0, -0.5, 1.0])
    expected = (0 + 0.75 + 2) / 3 + (0 + 0.5 + 2) / 3
    assert losses.discriminator_hinge_loss(real, fake).item() == pytest.approx(expected)
    assert losses.generator_hinge_loss(fake).item() == pytest.approx(2.5 / 3)


def test_claim_07_margin():
    real, fake = torch.tensor([1.5, 0.5]).requires_grad_(), torch.tensor([-1.5, -0.5]).requires_grad_()
    for gradient in torch.autograd.grad(losses.discriminator_hinge_loss(real, fake), (real, fake)):
        assert gradient[0] == 0 and abs(gradient[1]) == 0.5
    (push,) = torch.autograd.grad(losses.generator_hinge_loss(fake), fake)
    assert push.tolist() == [-0.5, -0.5]


def test_eq_07_hinge_optimal():
    logits = torch.linspace(-3, 3, 601)
    for data, made in ((0.7, 0.3), (0.2, 0.5), (0.1, 0.9)):
        cost = data * (1 - logits).clamp_min(0) + made * (1 + logits).clamp_min(0)
        assert logits[cost.argmin()] == pytest.approx(math.copysign(1, data - made), abs=1e-3)


@pytest.fixture(scope="module")
def chapter(notebooks):
    """The functions that chapter 07 defines, as it defines them, by name."""
    code = ast.parse("\n".join(cells(notebooks["07_gan_objective"], "code"))).body
    names = {"torch": torch, "SEEDS": 5, "WIDTHS": torch.tensor([0.4, 0.6, 0.8])}
    exec(compile(ast.Module([n for n in code if isinstance(n, ast.FunctionDef)], []), "chapter 07", "exec"), names)
    return names


def test_claim_07_widths(chapter):
    """Widths from 0.3 to 0.9, sides by a fair coin, and the engineer's own taste of 0.05."""
    width, pans = chapter["songs"](4000, torch.Generator().manual_seed(0))
    assert (0.3 <= width).all() and (width <= 0.9).all()
    assert [float(width.min()), float(width.max())] == pytest.approx([0.3, 0.9], abs=0.005)
    assert float((pans > 0).float().mean()) == pytest.approx(0.5, abs=0.02)
    assert float((pans.abs() - width).std()) == pytest.approx(0.05, abs=0.002)


def test_claim_07_wasserstein(chapter, monkeypatch):
    truth, pans = torch.randn(2, 5, 6000, 1, generator=torch.Generator().manual_seed(0))
    monkeypatch.setitem(chapter, "truth", truth)
    apart = [wasserstein_distance(truth[0, k : k + 2000, 0], 2 * pans[0, k : k + 2000, 0]) for k in (0, 2000, 4000)]
    assert float(chapter["distance"](2 * pans)[0]) == pytest.approx(sum(apart) / 3, rel=1e-4)


def test_eq_07_cvae():
    """With a linear G and the true posterior the loss is -log p(y), less the constant; with any other it is more."""
    sigma, slope, y = 0.05, 0.8, 0.6
    posterior = Normal(slope * y / (slope**2 + sigma**2), sigma / math.sqrt(slope**2 + sigma**2))

    def loss(q: Normal) -> float:
        error = (y - slope * q.mean) ** 2 + (slope * q.stddev) ** 2  # its expectation over z
        kl = torch.distributions.kl_divergence(q, Normal(0.0, 1.0))
        return float(error / (2 * sigma**2) + kl)

    constant = math.log(sigma * math.sqrt(2 * math.pi))
    truth = -float(Normal(0.0, math.sqrt(slope**2 + sigma**2)).log_prob(torch.tensor(y)))
    assert loss(posterior) + constant == pytest.approx(truth, abs=1e-4)
    for other in (Normal(0.0, 1.0), Normal(0.7, 0.0625), Normal(0.75, 0.2)):
        assert loss(other) + constant > truth


def test_eq_07_bicycle():
    """The chapter's terms on linear maps: what is right there and back costs nothing, a collapsed G pays."""
    z, y = torch.randn(256, 1, generator=torch.Generator().manual_seed(0)), torch.linspace(-0.9, 0.9, 256)[:, None]
    a = 0.8

    def there_and_back(g, mu):
        return 10 * (y - g(mu(y))).abs().mean() + 0.5 * (z - mu(g(z))).abs().mean()

    assert there_and_back(lambda z: a * z, lambda x: x / a) < 1e-5
    collapsed = there_and_back(lambda z: 0 * z + a, lambda x: x / a)
    assert collapsed > 10 * (y - a).abs().mean()  # and the noise cannot be read back


def test_claim_07_eight_bells():
    """A point of a bell on the plane lies within three widths with probability 1 - exp(-9 / 2)."""
    draw = torch.Generator().manual_seed(0)
    data, point, start = eight_bells(50_000, generator=draw), torch.tensor([1.0, 0.0]), torch.zeros(100, 2)
    assert float((data.norm(dim=1) - 1).std()) == pytest.approx(0.05, rel=0.02)
    assert 1 - math.exp(-9 / 2) == pytest.approx(0.989, abs=5e-4)
    bells, near = covered(data)
    assert bells == 8 and float(near) == pytest.approx(0.989, abs=0.003)
    assert [float(x) for x in covered(point.expand(100, 2))] == [1, 1]
    assert [float(x) for x in covered(start)] == [0, 0]


def test_eq_07_swap():
    mix = torch.randn(2, 4410, generator=torch.Generator().manual_seed(0))
    x, swapped = (LogMel(44100)(mid_side(sound[:, None])[:, 0]) for sound in (mix, mix.flip(0)))
    torch.testing.assert_close(x, swapped)
    silent_side = LogMel(44100)(mid_side(mix[:1].expand(2, -1)[:, None])[:, 0])
    assert (silent_side[1] - x[1]).abs().max() > 1  # width does show


def style_densities() -> torch.Tensor:
    """Densities (5, X) of five styles on the grid."""
    return torch.stack([0.5 * bell(-2 + s, 0.4) + 0.5 * bell(s, 0.7) for s in range(5)])


def test_eq_07_conditional():
    """Style by style the ratio beats a D that does not know the style."""
    data, made = style_densities(), style_densities().roll(1, 0)
    best, blind = data / (data + made), data.mean(0) / (data.mean(0) + made.mean(0))
    with_label = sum(value(best[s].clamp(1e-12, 1 - 1e-12), data[s], made[s]) for s in range(5)) / 5
    without = sum(value(blind, data[s], made[s]) for s in range(5)) / 5
    assert without == pytest.approx(-math.log(4), abs=1e-4) and with_label > without + 0.1


def test_eq_07_mismatch():
    p = style_densities()
    wrong = (p.sum(0) - p) / 4
    best = (p / (p + wrong)).clamp(1e-12, 1 - 1e-12)
    top = sum(value(best[s], p[s], wrong[s]) for s in range(5))
    for seed in range(3):
        shift = 0.1 * torch.randn(best.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        assert sum(value((best + shift).clamp(1e-3, 1 - 1e-3)[s], p[s], wrong[s]) for s in range(5)) < top
    torch.testing.assert_close(p.mean(0), wrong.mean(0))  # without the label: one crowd, so 1/2 everywhere


@pytest.mark.parametrize("kind", ["mlp", "spectral"])
def test_claim_07_nobody_hears(kind):
    """Of a mix with its sides swapped, whatever D's weights are."""
    mix = torch.randn(2, 64 * 441, generator=torch.Generator().manual_seed(0))
    x, swapped = (LogMel(44100)(mid_side(sound[:, None])[:, 0])[None] for sound in (mix, mix.flip(0)))
    d, style = build_discriminator(kind, 64, 80), torch.zeros(1, dtype=torch.long)
    torch.testing.assert_close(d(x, style), d(swapped, style))
    assert not torch.allclose(d(x, style), d(x.roll(3, -1), style))


def test_claim_07_mid_side():
    """Middle and side are the halves of sum and difference; `mlp` cannot tell 16 frames from their mean; both read
    the style."""
    left, right = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(mid_side(torch.stack([left, right])[None])[0, 0], (left + right) / 2)
    torch.testing.assert_close(mid_side(torch.stack([left, right])[None])[0, 1], (left - right) / 2)
    x = torch.randn(1, 2, 64, 80, generator=torch.Generator().manual_seed(1))
    means = x.unflatten(2, (4, 16)).mean(3, keepdim=True).expand(-1, -1, -1, 16, -1).flatten(2, 3)
    for kind in ("mlp", "spectral"):
        torch.manual_seed(0)
        d = build_discriminator(kind, 64, 80)
        assert torch.allclose(d(x, torch.tensor([0])), d(means, torch.tensor([0])), atol=1e-5) is (kind == "mlp")
        assert not torch.allclose(d(x, torch.tensor([0])), d(x, torch.tensor([1])))


def test_claim_07_deaf():
    x = torch.randn(1, 2, 64, 80, generator=torch.Generator().manual_seed(0))
    order = torch.cat([16 * i + torch.arange(16).flip(0) for i in range(4)])
    style, change = torch.zeros(1, dtype=torch.long), {}
    for kind in ("mlp", "spectral"):
        torch.manual_seed(0)
        d = build_discriminator(kind, 64, 80)
        change[kind] = float((d(x, style) - d(x[:, :, order], style)).detach().abs().max())
    assert change["mlp"] < 1e-6 and change["spectral"] > 1e-3
    assert 16 * 0.01 == pytest.approx(1 / 6, abs=0.01)  # frames of 10 ms: "a sixth of a second"


def test_claim_07_patch():
    x = torch.randn(1, 2, 200, 80, generator=torch.Generator().manual_seed(0)).requires_grad_()
    patch = build_discriminator("spectral", 200, 80)(x, torch.zeros(1, dtype=torch.long)).view(25, 10)[12, 5]
    seen = torch.autograd.grad(patch, x)[0][0].abs().sum(0) > 0
    assert (int(seen.any(1).sum()), int(seen.any(0).sum())) == (37, 37)


def test_claim_07_rooms():
    """What `settings` of the chapter assumes of the studio: windows of 5 dB, and 0.5 in the log of the decay."""
    for style in range(5):
        likes = [taste.draw(5 * i + style, style) for i in range(400)]
        wet, decay = ([getattr(one, name) for one in likes] for name in ("wet_db", "decay"))
        assert -2.5 <= min(wet) < -2.3 and 2.3 < max(wet) <= 2.5
        assert -0.25 <= math.log(min(decay)) < -0.23 and 0.23 < math.log(max(decay)) <= 0.25
        for kind, shares in taste.ROOM_SHARES.items():
            assert sum(one.kind == kind for one in likes) / 400 == pytest.approx(shares[style], abs=0.08)


def test_claim_07_hinge_default():
    assert Preset("any").adversarial == "hinge"


def test_claim_07_credulous():
    told = torch.full((5,), 0.8).logit()
    assert -losses.discriminator_log_loss(told, told).item() == pytest.approx(-1.833, abs=1e-3)
    assert (math.log(0.8), math.log(0.2)) == (pytest.approx(-0.223, abs=5e-4), pytest.approx(-1.609, abs=5e-4))


def test_claim_07_collapse():
    """The chapter's two trainings, at the size of the ci preset."""
    spreads = {}
    for moves, r1 in ((1, 0.1), (10, 0.0)):
        torch.manual_seed(0)
        draw = torch.Generator().manual_seed(0)
        g, d = (torch.nn.Sequential(torch.nn.Linear(n, 64), torch.nn.LeakyReLU(0.2), torch.nn.Linear(64, 64),
                                    torch.nn.LeakyReLU(0.2), torch.nn.Linear(64, 1)) for n in (4, 1))  # fmt: skip
        g_step, d_step = (torch.optim.Adam(player.parameters(), 1e-3, betas=(0.5, 0.99)) for player in (g, d))
        for _ in range(150):
            side = torch.randint(0, 2, (128, 1), generator=draw) * 2.0 - 1
            real = (0.8 * side + 0.05 * torch.randn(128, 1, generator=draw)).requires_grad_()
            logits = d(real)
            loss = losses.discriminator_log_loss(logits, d(g(torch.randn(128, 4, generator=draw)).detach()))
            d_step.zero_grad()
            (loss + r1 * losses.gradient_penalty(logits, real)).backward()
            d_step.step()
            for _ in range(moves):
                g_step.zero_grad()
                losses.generator_non_saturating_loss(d(g(torch.randn(128, 4, generator=draw)))).backward()
                g_step.step()
        spreads[moves] = g(torch.randn(2000, 4, generator=draw)).std().item()
    assert spreads[1] > 0.6 and spreads[10] < 0.4
