"""The numbered equations and quantitative sentences of chapter 08."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as functional
from small import SMALL

from tfrgan_lite.audio import MAX_TRACKS, loudness
from tfrgan_lite.beta_vae import active_units, kl_to_standard_normal
from tfrgan_lite.config import Architecture
from tfrgan_lite.generator import Decision, Generator, render
from tfrgan_lite.heads import Console, FineHead, k_weights, long_term
from tfrgan_lite.losses import energy_score
from tfrgan_lite.mel import mel_points, mel_to_bins
from tfrgan_lite.mix import TEMPERATURE, Mixer, mix_song
from tfrgan_lite.prepare import MASTER_LUFS, POOL, REFERENCE_RATE, TRACK_LUFS, front, hear, listen, room_power
from tfrgan_lite.sides import Coupling, arrangements, draw_sides, exponents, negative_log_likelihood, overlaps
from tfrgan_lite.studio import engineer, song
from tfrgan_lite.studio.console import pan_gains
from tfrgan_lite.studio.tracks import tracks_of


def drawing(seed=0):
    source = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(*shape, generator=source)


def console(draw, tracks=2, mels=80):
    one = (1, tracks)
    return Console(
        *(draw(*one), draw(*one).tanh(), draw(*one, mels), draw(*one).exp()),
        *(draw(1, mels), torch.zeros(1, tracks, tracks), draw(1)),
    )


def test_eq_08_noise():
    """The error of any answer to an independent z is the variance plus its distance from the mean."""
    draw = drawing()
    y, z = 2 + 3 * draw(400_000), draw(400_000)
    for answer in (2 + 0 * z, 2 + 0.5 * z, 1 + z):
        error = (y - answer).square().mean()
        parts = (y - 2).square().mean() + (answer - 2).square().mean()
        assert float(error) == pytest.approx(float(parts), rel=0.01)


def test_eq_08_elbo():
    """A model whose likelihood is known, y = z + noise: the bound holds, and is tight at the true posterior alone."""
    y = torch.tensor(1.3)
    # z ~ N(0, 1), y | z ~ N(z, 1): y ~ N(0, 2), and z | y ~ N(y / 2, 1 / 2).
    nll = 0.5 * math.log(2 * math.pi * 2) + float(y) ** 2 / 4

    def bound(mu, var):
        error = 0.5 * math.log(2 * math.pi) + 0.5 * ((float(y) - mu) ** 2 + var)
        return error + float(kl_to_standard_normal(torch.tensor(mu), torch.tensor(var).log()))

    assert bound(float(y) / 2, 0.5) == pytest.approx(nll, abs=1e-5)
    assert all(bound(mu, var) > nll + 1e-3 for mu, var in ((0.0, 1.0), (1.3, 0.5), (0.65, 0.1), (0.65, 1.0)))


def expected_score(machine, engineers):
    """The mean energy score over every pair of takes and every engineer, single numbers."""
    triples = torch.cartesian_prod(machine, machine, engineers)[:, :, None, None]
    return float(energy_score(*triples.unbind(1)))


def test_eq_08_energy():
    """By closed form: a bell is best met by the same bell, which is proper scoring."""
    draw, count = drawing(), 200_000
    first, second, y = draw(count, 1, 1), draw(count, 1, 1), draw(count, 1, 1)
    scores = {}
    for middle, width in ((0, 1), (0, 0), (0, 0.5), (0, 2), (0.7, 1)):
        scores[middle, width] = float(energy_score(middle + width * first, middle + width * second, y))
        if middle == 0:  # |N(0, v)| is sqrt(2 v / pi) on average
            formula = math.sqrt(2 * (1 + width**2) / math.pi) - 0.5 * math.sqrt(2 * 2 * width**2 / math.pi)
            assert scores[middle, width] == pytest.approx(formula, abs=0.01)
    best = scores.pop((0, 1))
    assert all(other > best + 0.03 for other in scores.values())


def test_claim_08_energy_table():
    coin = torch.tensor([-0.8, 0.8])
    machines = {"same coin": coin, "centre": 0 * coin, "right": coin.abs(), "wide": 2 * coin}
    by_hand = {"same coin": 0.4, "centre": 0.8, "right": 0.8, "wide": 0.8}
    for name, machine in machines.items():
        assert expected_score(machine, coin) == pytest.approx(by_hand[name], abs=1e-3)


def test_claim_08_half():
    machine, engineers = torch.tensor([0.3, -0.2, 1.0]), torch.tensor([-0.8, 0.5, 0.6])
    across, own, theirs = (
        (a[:, None] - b).abs().mean() for a, b in ((machine, engineers), (machine, machine), (engineers, engineers))
    )
    distance = 2 * across - own - theirs  # eq-09-energy
    assert expected_score(machine, engineers) == pytest.approx(float((distance + theirs) / 2), abs=1e-3)


BY_HAND = torch.tensor([[0.0, -1.0, -0.5], [-1.0, 0.0, 0.0], [-0.5, 0.0, 0.0]])


def test_eq_08_ising():
    arranged = torch.tensor([[1.0, 1, 1], [1, -1, 1], [1, 1, -1], [1, -1, -1]])
    found = exponents(BY_HAND[None], torch.ones(1, 3, dtype=bool))[0]
    torch.testing.assert_close(found, torch.tensor([-1.5, 0.5, -0.5, 1.5]))
    P = (-negative_log_likelihood(BY_HAND.expand(4, -1, -1), arranged)).exp()
    torch.testing.assert_close(P, found.exp() / found.exp().sum())


def test_claim_08_mirror():
    every = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3)
    P, mirrored = ((-negative_log_likelihood(BY_HAND.expand(8, -1, -1), s)).exp() for s in (every, -every))
    torch.testing.assert_close(mirrored, P)
    assert float(P.sum()) == pytest.approx(2)  # two that count as one have each the probability of both


def test_claim_08_four_arrangements():
    """The table, from nothing but the couplings."""
    e = [-s2 - 0.5 * s3 for s2, s3 in ((1, 1), (-1, 1), (1, -1), (-1, -1))]
    assert e == [-1.5, 0.5, -0.5, 1.5]
    assert [round(math.exp(x), 2) for x in e] == [0.22, 1.65, 0.61, 4.48]
    assert [round(math.exp(x) / sum(map(math.exp, e)), 2) for x in e] == [0.03, 0.24, 0.09, 0.64]


@pytest.mark.parametrize("wish", [0.0, -0.3])
def test_claim_08_two_sides(wish):
    """The second and third are likeliest together, opposite the first, even if they wish to be apart, but less."""
    coupling = BY_HAND.clone()
    coupling[1, 2] = coupling[2, 1] = wish
    found = exponents(coupling[None], torch.ones(1, 3, dtype=bool))[0]
    assert arrangements(3)[found.argmax()].tolist() == [1, -1, -1]


def test_claim_08_sixteen():
    """Of 16 tracks every arrangement is there once, and the likelihood is over the sum of all."""
    every = arrangements(MAX_TRACKS)
    assert MAX_TRACKS == 16 and every.shape == (2**15, 16) and len(every.unique(dim=0)) == 2**15
    J = torch.randn(16, 16, generator=torch.Generator().manual_seed(0)).triu(1) / 2
    P = torch.einsum("aj,jk,ak->a", every, J, every).softmax(0)
    some = every[:: 2**12]
    found = (-negative_log_likelihood((J + J.T).expand(len(some), -1, -1), some)).exp()
    torch.testing.assert_close(found, P[:: 2**12], rtol=1e-3, atol=0)


def test_claim_08_colder():
    count = 4000
    everybody, roles = torch.ones(count, 3, dtype=bool), torch.arange(3).expand(count, -1)
    shares = {}
    for temperature in (1.0, TEMPERATURE):
        source = torch.Generator().manual_seed(0)
        s = draw_sides(BY_HAND.expand(count, -1, -1), everybody, roles, temperature, source)
        apart = (s[:, 0] != s[:, 1]) & (s[:, 0] != s[:, 2])
        shares[temperature] = float(apart.float().mean())
    assert shares[1.0] == pytest.approx(0.64, abs=0.03) and shares[TEMPERATURE] > shares[1.0] + 0.1


def test_claim_08_couplings():
    count = 2000
    for J, low, high in ((-1.0, 0.85, 0.91), (1.0, 0.09, 0.15)):  # e / (e + 1/e) = 0.88 and its complement
        coupling = torch.tensor([[0, J], [J, 0]]).expand(count, -1, -1)
        everybody, roles = torch.ones(count, 2, dtype=bool), torch.arange(2).expand(count, -1)
        s = draw_sides(coupling, everybody, roles, 1.0, torch.Generator().manual_seed(0))
        assert low < float((s.prod(1) < 0).float().mean()) < high


def test_eq_08_coupling():
    torch.manual_seed(0)
    draw, module = drawing(), Coupling(6)
    h, overlap = draw(1, 3, 6), overlaps(draw(1, 3, 80).square())
    module.requires_grad_(False)
    J = module(h, overlap)
    f = h[0] @ module.features.weight.T + module.features.bias
    for j in range(3):
        for k in range(3):
            learned = sum(float(a * f[j, r] * f[k, r]) for r, a in enumerate(module.attracts))
            expected = learned - float(module.masking * overlap[0, j, k])
            assert float(J[0, j, k]) == pytest.approx(expected, abs=1e-4)


def test_claim_08_coin():
    """Mirror images: what one pans left another pans right, by the same amount, so the mean of many is the middle."""
    raw = song(1_000_000, "pop", 2.0)
    pans = torch.tensor([[strip["pan"] for strip in engineer(raw, seed).console] for seed in range(6)])
    assert pans[:, raw.roles.index("guitar")].abs().min() > 0.3
    torch.testing.assert_close(pans.abs(), pans[:1].abs().expand(6, -1))
    assert len({tuple(row) for row in pans.sign().tolist()}) == 2


def test_eq_08_start():
    """The start token of the package is the equation's MLP, added to the summary, and the decoder sees it first."""
    torch.manual_seed(0)
    generator, draw = Generator(SMALL).eval(), drawing()
    z, style, meters = draw(1, SMALL.z), torch.tensor([2]), draw(1, 3, 162)
    joined = torch.cat([z, generator.style.weight[style]], dim=-1)
    first, _, last = generator.start
    h0 = functional.gelu(joined @ first.weight.T + first.bias) @ last.weight.T + last.bias
    seen = []
    generator.decoder.register_forward_pre_hook(lambda _, given: seen.append(given[0][:, :, 0]))
    generator.position = Plain()
    there = torch.ones(1, 3, dtype=bool)
    generator.settle(torch.zeros(1, 3, 8, 80), meters, torch.zeros(1, 3, dtype=int), style, z, there)
    summary = generator.read_meters(generator.standardised(meters))
    torch.testing.assert_close(seen[0], summary + h0[:, None], rtol=1e-5, atol=1e-5)


class Plain(torch.nn.Module):
    """No position, so that the tokens are seen as they are."""

    def forward(self, tokens, roles):
        return tokens


def settled(change=None):
    """The coarse head of a generator on random tokens: what it read, and the console; ``change`` alters the head."""
    torch.manual_seed(0)
    generator, draw = Generator(SMALL).eval(), drawing()
    if change:
        change(generator.coarse)
    h, z = draw(1, 3, 2, SMALL.d_model), draw(1, SMALL.z)
    meters = torch.cat([draw(1, 3, 80), draw(1, 3, 80) - 3, draw(1, 3, 2)], dim=-1)
    power = meters[0, :, :80].exp() + meters[0, :, 80:160].exp()
    with torch.no_grad():
        return power, generator.coarse(h, z, meters, torch.ones(1, 3, dtype=bool))


def test_eq_08_ear():
    """Bands that are moved change the timbre, and the fader gives back what they change in loudness."""

    def flat(head):
        torch.nn.init.zeros_(head.out.weight[3:])

    def tilted(head):
        flat(head)
        head.out.bias.data[3:] = torch.linspace(-1, 2, len(head.out.bias) - 3)

    power, without = settled(flat)
    _, with_bands = settled(tilted)
    w, b = k_weights(80), with_bands.bands[0]
    expected = -0.5 * torch.log(((2 * b).exp() * power * w).sum(1) / (power * w).sum(1))
    moved = (with_bands.gain - with_bands.master[:, None]) - (without.gain - without.master[:, None])
    torch.testing.assert_close(moved[0], expected, rtol=1e-4, atol=1e-4)
    assert expected.abs().min() > 0.1  # the bands did change it


def test_eq_08_long_term():
    draw = drawing()
    c, power = console(draw), draw(1, 2, 4, 80).exp()
    wet, room = long_term(c, power), room_power(80)
    for k in range(2):
        for channel in range(2):
            for f in (0, 30, 79):
                fader = math.exp(2 * float(c.gain[0, k] + c.bands[0, k, f]))
                direct = float(pan_gains(c.pan[0, k])[channel]) ** 2 * float(power[0, k, channel, f])
                colour = math.exp(2 * float(c.answer[0, f]))
                answer = colour * float(c.send[0, k]) ** 2 * float(room[channel, f]) * float(power[0, k, 2, f])
                assert float(wet[0, k, channel, f]) == pytest.approx(fader * (direct + answer), rel=1e-4)


def test_eq_08_master():
    power, c = settled()
    w = k_weights(80)
    before = replace(c, gain=c.gain - c.master[:, None])
    wet = long_term(before, power[None, :, None].expand(-1, -1, 4, -1))[:, :, :2]
    expected = math.log(10) / 20 * (-20 + 0.691 - 10 * math.log10(float((w * wet).sum())))
    assert float(c.master) == pytest.approx(expected, abs=1e-4)
    after = long_term(c, power[None, :, None].expand(-1, -1, 4, -1))[:, :, :2]
    assert -0.691 + 10 * math.log10(float((w * after).sum())) == pytest.approx(MASTER_LUFS, abs=1e-3)


def test_eq_08_wet():
    """At a bin that is a band's centre, rendering is the equation with that band's values, by scalar arithmetic."""
    draw = drawing()
    fine = (1, 2, 2, 3, 80)
    d = Decision(console(draw), draw(*fine), draw(*fine), [])
    # A sample rate at which the centre of band 20 falls on bin 64 exactly.
    centre = float(mel_points(80)[21])
    rate, n_fft, bin_ = centre * 2048 / 64, 2048, 64
    to_bins = mel_to_bins(rate, n_fft)
    assert abs(to_bins[20, bin_] - 1) < 1e-4
    dry, reverb = (torch.complex(draw(1, 2, 2, 3, 1025), draw(1, 2, 2, 3, 1025)) for _ in range(2))
    wet, c = render(d, dry, reverb, to_bins), d.console
    for k in range(2):
        desk, p = float(c.gain[0, k] + c.bands[0, k, 20]), pan_gains(c.pan[0, k])
        for channel in range(2):
            for t in range(3):
                u, phase = float(d.fine_gain[0, k, channel, t, 20]), float(d.fine_phase[0, k, channel, t, 20])
                s, r = complex(dry[0, k, channel, t, bin_]), complex(reverb[0, k, channel, t, bin_])
                expected = math.exp(desk + u) * float(p[channel]) * complex(math.cos(phase), math.sin(phase)) * s
                expected += math.exp(desk + float(c.answer[0, 20])) * float(c.send[0, k]) * r
                assert abs(complex(wet[0, k, channel, t, bin_]) - expected) < 1e-3 * max(1, abs(expected))


def test_eq_08_mix():
    raw = song(1, "pop", 1.0)
    mix, wet = mix_song(raw.stems, raw.sample_rate, "pop", generator=Generator(SMALL))
    torch.testing.assert_close(mix, wet.sum(0), atol=1e-6, rtol=0)


def test_claim_08_level():
    raw = song(1, "pop", 3.0)
    levels = [float(loudness(track, raw.sample_rate)) for track in hear(raw.stems, raw.sample_rate).dry]
    assert TRACK_LUFS == -23 and levels == pytest.approx([-23] * len(levels), abs=1)


def test_claim_08_twelve_db():
    raw = song(1, "pop", 3.0)
    louder = raw.stems.clone()
    louder[raw.roles.index("bass")] *= 10 ** (12 / 20)
    one, other = (hear(stems, raw.sample_rate).dry for stems in (raw.stems, louder))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-4)


def test_claim_08_eight_frames():
    """The envelope is the mean of X over 8 frames at a time; the meters are two spectra, crest and activity."""
    raw = song(1, "pop", 3.0)
    dry = hear(raw.stems, raw.sample_rate).dry
    heard = listen(dry, front(raw.sample_rate).stft(dry), raw.sample_rate)
    whole = heard.log_mel.shape[1] // 8
    pooled = heard.log_mel[:, : 8 * whole].unflatten(1, (whole, 8)).mean(2)
    assert POOL == 8 and Architecture().stride % POOL == 0
    torch.testing.assert_close(heard.envelope[:, :whole], pooled, rtol=1e-4, atol=1e-4)
    assert heard.meters.shape == (len(dry), 80 + 80 + 2)


def test_claim_08_active():
    assert (active_units(torch.full((5, 3), 0.011)), active_units(torch.full((5, 3), 0.009))) == (3, 0)


def test_claim_08_reach():
    """What the head says of one frame depends on the frames from 14 before to 14 after it."""
    torch.manual_seed(0)
    draw, head = drawing(), FineHead(80, 16, 8)
    torch.nn.init.normal_(head.out.weight)
    around = draw(1, 2, 1 + 2 * FineHead.MARGIN, 80).requires_grad_()
    gain, _ = head(around, draw(1, 2, 1, 16), console(draw))
    (slope,) = torch.autograd.grad(gain.square().sum(), around)
    assert slope.shape[2] == 14 + 1 + 14 and slope[0, 0].abs().sum(1)[[0, -1]].min() > 0
    assert 14 * 1000 * front(REFERENCE_RATE).stft.hop_length / REFERENCE_RATE == 140


def test_claim_08_silence():
    draw = drawing()
    fine, nothing = (1, 2, 2, 3, 80), torch.zeros(1, 2, 2, 3, 1025, dtype=torch.complex64)
    decision = Decision(console(draw), draw(*fine), draw(*fine), [])
    assert render(decision, nothing, nothing, mel_to_bins(44100, 2048)).abs().max() == 0


def test_claim_08_any_order():
    """Tracks in another order; and one more that is silent, which may change the draw of the sides and nothing else."""
    torch.manual_seed(0)
    raw, generator = song(1, "pop", 1.0), Generator(SMALL).eval()
    order = list(range(len(raw.roles)))[::-1]

    def console_of(stems, roles):
        mixer = Mixer(tracks_of(stems, raw.sample_rate, tuple(roles)), "pop", generator)
        return mixer, mixer.takes([0])[0]

    mixer, take = console_of(raw.stems, raw.roles)
    other, permuted = console_of(raw.stems[order], [raw.roles[k] for k in order])
    (mix, wet), (again, wet_again) = mixer.finished(take), other.finished(permuted)
    torch.testing.assert_close(again, mix, rtol=0, atol=1e-3)
    torch.testing.assert_close(wet_again, wet[order], rtol=0, atol=1e-3)
    more, masked = console_of(torch.cat([raw.stems, torch.zeros_like(raw.stems[:1])]), [*raw.roles, "guitar"])
    assert more.finished(masked)[1][-1].abs().max() == 0
    for name in ("gain", "send", "bands"):
        one, beside = (getattr(each.console, name) for each in (take, masked))
        torch.testing.assert_close(beside[:, :-1], one, rtol=0, atol=1e-4)
    torch.testing.assert_close(masked.console.pan[:, :-1].abs(), take.console.pan.abs(), rtol=0, atol=1e-4)
