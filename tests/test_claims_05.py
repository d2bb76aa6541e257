"""Chapter 05: every numbered equation, and every quantitative sentence of its prose."""

import ast
import itertools
import math
from functools import cache
from time import perf_counter

import numpy as np
import pytest
import torch
from prose import cells
from scipy.signal import butter, sosfilt
from torch import nn
from torch.distributions import Normal, kl_divergence

from tfrgan_lite.attention import MultiHeadAttention
from tfrgan_lite.beta_vae import BetaVAEModule
from tfrgan_lite.data import HELD_OUT
from tfrgan_lite.generator import Generator
from tfrgan_lite.mel import LogMel
from tfrgan_lite.positional import sinusoidal
from tfrgan_lite.recurrent import LSTMOverTime
from tfrgan_lite.studio import song
from tfrgan_lite.transformer import FeedForward, TFRDecoderLayer, TFREncoderLayer, over_time


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def softmax(*scores: float) -> list[float]:
    """Of plain numbers, by the definition."""
    powers = [math.exp(score) for score in scores]
    return [power / sum(powers) for power in powers]


def single(width: int) -> MultiHeadAttention:
    """One head whose four matrices are the identity, so that queries, keys and values are the tokens."""
    module = MultiHeadAttention(width, 1)
    for part in (module.query, module.key, module.value, module.out):
        nn.init.eye_(part.weight)
        nn.init.zeros_(part.bias)
    return module


def test_claim_05_gaps():
    """The energy of each quarter of a beat, from 2 to 6 s: of the drums below 120 Hz, and of the bass."""
    made = song(HELD_OUT, "electronic", 10.0)
    below = butter(4, 120, fs=made.sample_rate, output="sos")
    quarter = made.sample_rate * 60 / made.tempo / 4
    for role in ("drums", "bass"):
        wave = made.stems[made.roles.index(role)].mean(0).double().numpy()
        wave = sosfilt(below, wave) if role == "drums" else wave
        edges = [round(number * quarter) for number in range(16, 49)]
        energy = np.reshape([np.sum(wave[a:b] ** 2) for a, b in itertools.pairwise(edges)], (8, 4))
        on_the_beat = energy[:, 0] / energy.sum(1)
        assert (on_the_beat > 0.5).all() if role == "drums" else (on_the_beat < 0.05).all()


def test_eq_05_project():
    """The chapter's table: matrices that pick numbers of a token give its key, query and value."""
    module, kick = MultiHeadAttention(6, 1), torch.tensor([1.0, 0, 1, 0, 2, 0])
    with torch.no_grad():
        module.query.weight.copy_(torch.diag(torch.tensor([-2.0, -2, -2, -2, 0, 0])))
        module.query.bias.copy_(torch.tensor([2.0, 2, 2, 2, 0, 0]))
        module.key.weight.copy_(torch.diag(torch.tensor([1.0, 1, 1, 1, 0, 0])))
        nn.init.zeros_(module.key.bias)
    assert module.query(kick).tolist() == [0, 2, 0, 2, 0, 0] and module.key(kick).tolist() == [1, 0, 1, 0, 0, 0]


def test_eq_05_attention():
    module, x = single(4), draw(1, 3, 4)
    torch.testing.assert_close(module(x), (x @ x.mT / 2).softmax(-1) @ x)


def test_claim_05_on_paper():
    """Three tracks, worked out with the definition alone."""
    plays = {"kick": (1, 0, 1, 0), "bass": (0, 1, 0, 1), "piano": (1, 0, 0, 1)}
    values = {"kick": (2, 0), "bass": (1, 1), "piano": (0, 2)}
    rows = {}
    for name, beats in plays.items():
        query = [2 * (1 - beat) for beat in beats]
        scores = [sum(q * k for q, k in zip(query, key, strict=True)) for key in plays.values()]
        rows[name] = scores, softmax(*(score / math.sqrt(4) for score in scores))
    assert rows["kick"][0] == [0, 4, 2] and sum(math.exp(s) for s in (0, 2, 1)) == pytest.approx(11.11, abs=0.01)
    assert rows["kick"][1] == pytest.approx([0.09, 0.67, 0.24], abs=0.006)
    received = [sum(w * v[i] for w, v in zip(rows["kick"][1], values.values(), strict=True)) for i in range(2)]
    assert received == pytest.approx([0.85, 1.15], abs=0.006)
    assert rows["piano"][1] == pytest.approx([0.42, 0.42, 0.16], abs=0.006)


def test_eq_05_variance():
    for d_k in (4, 64):
        score = (draw(20_000, d_k) * draw(20_000, d_k, seed=1)).sum(-1)
        assert float(score.var()) == pytest.approx(d_k, rel=0.05)
        assert float((score / d_k**0.5).var()) == pytest.approx(1, rel=0.05)


def test_claim_05_typical_score():
    for d_k in (16, 64, 256):
        score = (draw(20_000, d_k) * draw(20_000, d_k, seed=1)).sum(-1)
        assert float(score.std()) == pytest.approx(math.sqrt(d_k), rel=0.05)
        assert float((score / math.sqrt(d_k)).std()) == pytest.approx(1, rel=0.05)
        if d_k == 64:
            largest = [(score / root).reshape(-1, 16).softmax(-1).amax(-1).mean() for root in (1, 8)]
            assert largest[0] > 0.75 and largest[1] < 0.4


def test_eq_05_jacobian():
    scores = draw(5)
    w = scores.softmax(0)
    by_hand = torch.tensor([[w[i] * (float(i == j) - w[j]) for j in range(5)] for i in range(5)])
    torch.testing.assert_close(torch.autograd.functional.jacobian(lambda s: s.softmax(0), scores), by_hand)
    certain = torch.autograd.functional.jacobian(lambda s: s.softmax(0), torch.tensor([40.0, 0, 0]))
    assert certain.abs().max() < 1e-6


def test_eq_05_heads():
    torch.manual_seed(0)
    module, x = MultiHeadAttention(8, 2), draw(1, 5, 8)
    q, k, v = (part(x)[0] for part in (module.query, module.key, module.value))
    heads = [(q[:, i : i + 4] @ k[:, i : i + 4].T / 2).softmax(-1) @ v[:, i : i + 4] for i in (0, 4)]
    torch.testing.assert_close(module(x)[0], torch.cat(heads, dim=1) @ module.out.weight.T + module.out.bias)
    assert len({sum(w.numel() for w in MultiHeadAttention(8, heads).parameters()) for heads in (1, 2, 8)}) == 1


def test_claim_05_correlation():
    """Ten seconds are 1000 frames; scores from envelopes are NumPy's correlation, times five."""
    loud = LogMel(16000)(0.1 * draw(3, 160_000)).exp().sum(-1).sqrt()
    e = loud - loud.mean(1, keepdim=True)
    e = e / e.norm(dim=1, keepdim=True)
    d_k = e.shape[1]
    scores = (5 * math.sqrt(d_k) * e) @ e.mT / math.sqrt(d_k)
    assert d_k == 1000
    torch.testing.assert_close(scores, 5 * torch.corrcoef(loud), rtol=0, atol=1e-4)


def test_eq_05_mask():
    torch.manual_seed(0)
    module, x = MultiHeadAttention(8, 2), draw(2, 6, 8)
    weights = module.weights(x, causal=True)
    assert (weights.triu(1) == 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 6))
    later = x.clone()
    later[:, 4:] += 1
    torch.testing.assert_close(module(later, causal=True)[:, :4], module(x, causal=True)[:, :4])
    assert not torch.allclose(module(later)[:, :4], module(x)[:, :4])  # the planted failure
    assert softmax(2, 0) == pytest.approx([0.881, 0.119], abs=5e-4)  # the exercise
    assert math.exp(2) + 1 == pytest.approx(8.39, abs=0.01)


@pytest.mark.parametrize("length", [2, 4])
def test_eq_05_floor(length):
    """The entropy of what is to foretell, counted over all bars: H(x_2 ... x_2L | x_1), a step."""
    steps = torch.cartesian_prod(*[torch.arange(4)] * length).repeat(1, 2)
    counts = [len(torch.unique(steps[:, :t], dim=0)) for t in (1, 2 * length)]  # all of them equally likely
    entropy = math.log(counts[1] / counts[0]) / (2 * length - 1)
    assert entropy == pytest.approx((length - 1) / (2 * length - 1) * math.log(4))


def test_claim_05_leak(notebooks):
    """The chapter's network, trained on short bars: above the floor with the mask, and far below it without."""
    code = ast.parse("\n".join(cells(notebooks["05_attention_and_the_tfr_layer"], "code"))).body
    wanted = [node for node in code if getattr(node, "name", "") in {"Repeat", "bars", "train"}]
    names = {"torch": torch, "nn": nn, "over_time": over_time, "FeedForward": FeedForward, "sinusoidal": sinusoidal}
    names |= {"cache": cache, "perf_counter": perf_counter}
    exec(compile(ast.Module(wanted, []), "chapter 05", "exec"), names)
    floor = 3 / 7 * math.log(4)
    masked, seeing = (names["train"]("full", 4, 0, 250, masked)[1][-10:] for masked in (True, False))
    assert sum(seeing) / 10 < 0.7 * floor and sum(masked) / 10 > 0.98 * floor


def test_eq_05_forget():
    """Along the state itself: with no way back through the gates, the derivative is the product of forget gates."""
    torch.manual_seed(0)
    cell = nn.LSTMCell(3, 5)
    nn.init.zeros_(cell.weight_hh)
    first = draw(1, 5, seed=1).requires_grad_()
    c, product = first, torch.ones(1, 5)
    for x in draw(7, 1, 3, seed=2):
        forget = torch.sigmoid(cell.weight_ih @ x[0] + cell.bias_ih + cell.bias_hh)[5:10]
        _, c = cell(x, (torch.zeros(1, 5), c))
        product = product * forget
    torch.testing.assert_close(torch.autograd.grad(c.sum(), first)[0], product)


def test_claim_05_half():
    far = {}
    for core in ("lstm", "full"):
        torch.manual_seed(0)
        module, x = over_time(32, 2, core, causal=True), draw(64, 33, 32).requires_grad_()
        (gradient,) = torch.autograd.grad((module(x, causal=True)[:, -1] * draw(64, 32, seed=1)).sum(), x)
        size = gradient.square().sum((0, 2)).sqrt().flip(0)
        far[core] = float(size[24] / size[8]) ** (1 / 16)  # what is left of it after one step more
    assert 0.4 < far["lstm"] < 0.7 and 0.95 < far["full"] < 1.05


def test_claim_05_four_squares():
    for module in (MultiHeadAttention(32, 2), LSTMOverTime(32, causal=True)):
        assert sum(weight.numel() for weight in module.parameters()) == pytest.approx(4 * 32**2, rel=0.07)


def test_eq_05_residual():
    """Linear layers, whose derivatives are their matrices: the derivative of the stack is the product of 1 + W."""
    matrices, x = 0.1 * draw(4, 3, 3), draw(3, seed=1)

    def stack(x):
        for matrix in matrices:
            x = x + matrix @ x
        return x

    expected = torch.eye(3)
    for matrix in matrices:
        expected = (torch.eye(3) + matrix) @ expected
    torch.testing.assert_close(torch.autograd.functional.jacobian(stack, x), expected)


@pytest.mark.parametrize("seed", range(3))
def test_claim_05_alive(seed):
    norm = nn.LayerNorm(32, elementwise_affine=False)
    rules = {
        "neither": lambda x, f: f(x),
        "residual": lambda x, f: x + f(x),
        "post-norm": lambda x, f: norm(x + f(x)),
        "pre-norm": lambda x, f: x + f(norm(x)),
    }
    left, size = {}, {}
    for name, rule in rules.items():
        torch.manual_seed(seed)
        first = y = draw(4, 16, 32).requires_grad_()
        for _ in range(24):
            y = rule(rule(y, MultiHeadAttention(32, 4)), FeedForward(32))
        (gradient,) = torch.autograd.grad((y * draw(4, 16, 32, seed=1)).sum(), first)
        left[name], size[name] = float(gradient.norm() / draw(4, 16, 32, seed=1).norm()), float(y.detach().std())
    assert left["neither"] < 1e-6 and all(0.3 < left[name] < 5 for name in rules if name != "neither")
    assert size["post-norm"] == pytest.approx(1, abs=0.01) and size["residual"] > size["pre-norm"] > 1.2


def test_eq_05_tfr():
    """The four lines, one token, track and time at a time; a track that is absent is heard by nobody."""
    torch.manual_seed(0)
    layer, x = TFREncoderLayer(8, 2, 3), draw(1, 3, 4, 8)
    present = torch.tensor([[True, False, True]])
    y, kl = layer(x, present, torch.Generator().manual_seed(1))
    x = x + torch.stack([layer.over_time(layer.norm_time(x[:, n])) for n in range(3)], 1)
    h = layer.norm_tracks(x)
    heard = torch.stack([layer.across_tracks(h[:, :, t], h[:, [0, 2], t]) for t in range(4)], 2)
    x = x + heard
    tail = layer.tail
    first, _, second = tail.ffn
    x = x + nn.functional.gelu(tail.norm_ffn(x) @ first.weight.T + first.bias) @ second.weight.T + second.bias
    mu, logvar = (tail.norm_vae(x) @ tail.vae.encode.weight.T + tail.vae.encode.bias).chunk(2, -1)
    z = mu + (logvar / 2).exp() * draw(1, 3, 4, 3, seed=1)
    torch.testing.assert_close(y, x + z @ tail.vae.decode.weight.T + tail.vae.decode.bias)
    torch.testing.assert_close(kl, (mu.square() + logvar.exp() - logvar - 1) / 2)


def test_claim_05_kl():
    module, x = BetaVAEModule(8, 3), draw(5, 8)
    mu, logvar = module.encode(x).chunk(2, -1)
    unit = Normal(mu, (logvar / 2).exp())
    torch.testing.assert_close(module(x)[1], kl_divergence(unit, Normal(0.0, 1.0)))


def test_eq_05_decoder():
    """Each token asks all tokens of all present tracks, in one softmax, after attention to its own past."""
    torch.manual_seed(0)
    layer, x, memory = TFRDecoderLayer(8, 2, 3).eval(), draw(1, 2, 4, 8), draw(1, 2, 5, 8, seed=1)
    y, _ = layer(x, memory, torch.tensor([[True, True]]))
    alone, _ = layer(x, memory, torch.tensor([[True, False]]))
    past = x + torch.stack([layer.over_time(layer.norm_time(x[:, n]), causal=True) for n in range(2)], 1)
    for result, answers in ((y, torch.cat([memory[:, 0], memory[:, 1]], 1)), (alone, memory[:, 0])):
        for n, t in ((0, 0), (1, 3)):
            token = past[:, n, t : t + 1]
            token = token + layer.to_memory(layer.norm_memory(token), answers)
            torch.testing.assert_close(result[:, n, t : t + 1], layer.tail(token, None)[0])


def test_claim_05_pytorch():
    torch.manual_seed(0)
    ours = TFREncoderLayer(8, 2, latent=0, across=False)
    theirs = nn.TransformerEncoderLayer(8, 2, 32, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
    attention = ours.over_time
    parts = (attention.query, attention.key, attention.value)
    theirs.load_state_dict(
        {
            "self_attn.in_proj_weight": torch.cat([part.weight for part in parts]),
            "self_attn.in_proj_bias": torch.cat([part.bias for part in parts]),
            **{f"self_attn.out_proj.{name}": weight for name, weight in attention.out.state_dict().items()},
            **{f"norm1.{name}": weight for name, weight in ours.norm_time.state_dict().items()},
            **{f"norm2.{name}": weight for name, weight in ours.tail.norm_ffn.state_dict().items()},
            **{f"linear1.{name}": weight for name, weight in ours.tail.ffn[0].state_dict().items()},
            **{f"linear2.{name}": weight for name, weight in ours.tail.ffn[2].state_dict().items()},
        }
    )
    x = draw(2, 1, 5, 8)
    torch.testing.assert_close(ours(x, torch.ones(2, 1, dtype=torch.bool))[0][:, 0], theirs(x[:, 0]))


def test_claim_05_symmetric():
    torch.manual_seed(0)
    x, W = draw(5, 8), draw(8, 4, seed=1)
    scores = (x @ W) @ (x @ W).T
    torch.testing.assert_close(scores, scores.T)


def test_claim_05_shipped():
    """Two layers each, with four heads: the sixteen maps of the figure."""
    generator = Generator.from_pretrained()
    across = [layer.across_tracks for layer in generator.encoder.layers]
    to_memory = [layer.to_memory for layer in generator.decoder.layers]
    assert len(across) == len(to_memory) == 2 and {each.heads for each in across + to_memory} == {4}
