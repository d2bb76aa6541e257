"""Chapter 04: every numbered equation, and every quantitative sentence of its prose."""

import ast
import itertools
import math
import re

import pytest
import torch
from prose import cells
from torch import nn

from tfrgan_lite.attention import MultiHeadAttention
from tfrgan_lite.generator import Generator
from tfrgan_lite.labels import ROLES
from tfrgan_lite.mel import LogMel
from tfrgan_lite.positional import TrackTimePosition, sinusoidal
from tfrgan_lite.studio.notation import groove
from tfrgan_lite.studio.styles import RECIPES
from tfrgan_lite.transformer import FeedForward


def code(notebooks: dict[str, dict]) -> str:
    return "\n".join(cells(notebooks["04_positional_encoding"], "code"))


def test_claim_04_beat(notebooks):
    (beat,) = re.findall(r'^straight = "(.*)"$', code(notebooks), re.MULTILINE)
    assert len(beat) == 16 and set(beat) == set("ksh.") and beat != beat[::-1]


def test_claim_04_step(notebooks):
    (samples,) = re.findall(r"^rate, slot = 44100, (\d+ \* \d+)", code(notebooks), re.MULTILINE)
    step = math.prod(map(int, samples.split(" * ")))
    assert step / 44100 == 0.12 and LogMel(44100)(torch.zeros(step)).shape == (12, 80)


@pytest.mark.parametrize("kind", ["full", "linear"])
def test_eq_04_equivariance(kind):
    torch.manual_seed(0)
    layers = [MultiHeadAttention(16, 4, kind), FeedForward(16), nn.LayerNorm(16), MultiHeadAttention(16, 4, kind)]

    def f(x):
        for layer in layers:
            x = x + layer(x)
        return x

    x, order = torch.randn(2, 9, 16), torch.randperm(9)
    torch.testing.assert_close(f(x[:, order]), f(x)[:, order])
    torch.testing.assert_close(f(x.flip(1)).mean(1), f(x).mean(1))
    placed = x + sinusoidal(9, 16)
    gap = f(x.flip(1) + sinusoidal(9, 16)).mean(1) - f(placed).mean(1)
    assert float(gap.detach().abs().max()) > 1e-2


def test_eq_04_sin():
    encoding = sinusoidal(50, 8)
    for pos, i in itertools.product((0, 1, 49), range(4)):
        assert float(encoding[pos, 2 * i]) == pytest.approx(math.sin(pos / 10000 ** (2 * i / 8)), abs=1e-6)
    assert sinusoidal(2, 4)[1, 0::2].tolist() == pytest.approx([0.8415, 0.0100], abs=1e-4)


def test_eq_04_cos():
    encoding = sinusoidal(50, 8)
    for pos, i in itertools.product((0, 1, 49), range(4)):
        assert float(encoding[pos, 2 * i + 1]) == pytest.approx(math.cos(pos / 10000 ** (2 * i / 8)), abs=1e-6)
    assert sinusoidal(2, 4)[1, 1::2].tolist() == pytest.approx([0.5403, 1.0000], abs=1e-4)


def test_eq_04_wavelength():
    """A clock is back after one wavelength: the angle per token times the wavelength is a full turn."""
    encoding = sinusoidal(2, 64).double()
    for i in range(32):
        angle = math.atan2(float(encoding[1, 2 * i]), float(encoding[1, 2 * i + 1]))
        assert angle * 2 * math.pi * 10000 ** (2 * i / 64) == pytest.approx(2 * math.pi, rel=1e-4)
    assert 2 * math.pi == pytest.approx(6.3, abs=0.02)


def test_claim_04_two_clocks():
    first, second = sinusoidal(2, 4)[1].view(2, 2).double()
    assert math.atan2(*first.tolist()) == pytest.approx(1) and math.atan2(*second.tolist()) == pytest.approx(1 / 100)


def test_eq_04_rotation():
    encoding = sinusoidal(300, 16)
    for pos, k, i in itertools.product((0, 5, 200), (1, 4, 64), range(8)):
        angle = k * 10000 ** (-2 * i / 16)
        turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        pair = slice(2 * i, 2 * i + 2)
        torch.testing.assert_close(turn @ encoding[pos, pair], encoding[pos + k, pair], rtol=0, atol=1e-5)


def test_eq_04_dot():
    encoding = sinusoidal(200, 64).double()
    for p, q in ((0, 0), (10, 14), (14, 10), (100, 104), (199, 3)):
        want = sum(math.cos((p - q) * 10000 ** (-2 * i / 64)) for i in range(32))
        assert float(encoding[p] @ encoding[q]) == pytest.approx(want, abs=1e-4)


def test_claim_04_dot():
    encoding = sinusoidal(200, 64).double()
    product = encoding[100] @ encoding[60:141].mT
    torch.testing.assert_close(product, product.flip(0), rtol=0, atol=1e-4)
    assert int(product.argmax()) == 40
    assert (product[40:].diff() > 0).any()  # on the way out it rises again in places


def test_claim_04_sinusoid_length():
    torch.testing.assert_close(sinusoidal(100, 64).norm(dim=1), torch.full((100,), math.sqrt(64 / 2)))


@pytest.fixture(scope="module")
def chapter(notebooks):
    """The functions that chapter 04 defines, as it defines them, by name."""
    wanted = [node for node in ast.parse(code(notebooks)).body if isinstance(node, ast.FunctionDef)]
    names = {"torch": torch, "RECIPES": RECIPES, "groove": groove}
    exec(compile(ast.Module(wanted, []), "chapter 04", "exec"), names)
    return names


def test_eq_04_rotary(chapter):
    """With pairs as complex numbers a score is the real part of conj(q) k e^(i (p' - p) omega)."""
    draw = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 1, 16, generator=draw)
    omega = 10000 ** (-torch.arange(0, 16, 2) / 16)
    for p, p2 in ((0, 7), (100, 107), (7, 0), (30, 30), (5, 120)):
        score = chapter["turn"](q, torch.tensor([p])) @ chapter["turn"](k, torch.tensor([p2])).mT
        as_complex = [torch.view_as_complex(x.view(-1, 2)) for x in (q, k)]
        want = (as_complex[0].conj() * as_complex[1] * torch.polar(torch.ones(8), (p2 - p) * omega)).sum().real
        torch.testing.assert_close(score[0, 0], want, rtol=0, atol=1e-3)
        torch.testing.assert_close(score, q @ chapter["turn"](k, torch.tensor([p2 - p])).mT, rtol=0, atol=1e-3)


def test_claim_04_before_after(chapter):
    q, k = torch.randn(2, 1, 16, generator=torch.Generator().manual_seed(0))
    there, back = (chapter["turn"](k, torch.tensor([step])) for step in (7, -7))
    assert abs(float(q @ there.mT - q @ back.mT)) > 0.1


def test_claim_04_lines(chapter):
    for style in RECIPES.values():
        for text in (text for pair in style.grooves for text in pair):
            assert all((4 * beat).is_integer() and 0 <= beat < 4 for beat, _, _ in groove(text))
    kicks = chapter["lines_of"](("kick",))
    assert kicks.shape[1] == 16 and len(kicks.unique(dim=0)) == len(kicks) > 1 and (kicks.sum(1) > 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_claim_04_held_out(chapter, seed):
    drums = (("kick",), ("snare", "side", "clap"), ("hat", "open", "ride", "pedal"))
    counts = [len(chapter["lines_of"](kinds)) for kinds in drums]
    every = torch.cartesian_prod(*map(torch.arange, counts))
    every = every[torch.randperm(len(every), generator=torch.Generator().manual_seed(seed))]
    held, seen = every[: len(every) // 5], every[len(every) // 5 :]
    assert all(set(held[:, k].tolist()) <= set(seen[:, k].tolist()) for k in range(3))


def test_claim_04_sixteen_ago(chapter):
    rhythms = (torch.rand(5, 16, 3, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    for steps in (16, 17, 48, 123):
        x, y = chapter["windows"](rhythms, 200, steps, torch.Generator().manual_seed(steps))
        assert x.shape == (200, steps, 3) and torch.equal(x[:, -16], y)
    first = {tuple(beat.flatten().tolist()) for beat in x[:, :16]}
    assert len(first) > 5 * 8  # most of the 16 starts of each of the five


def test_claim_04_untaught():
    """No two of the positions 0 to 128 are alike; and beyond 48 the slow clocks stand where they have never stood."""
    encoding = sinusoidal(129, 32).double()
    assert float(torch.pdist(encoding).min()) > 0.5
    angles = [[pos * 10000 ** (-2 * i / 32) for pos in range(129)] for i in range(16)]
    assert sum(max(turned[:49]) < min(turned[49:]) < 2 * math.pi for turned in angles) > 8


def test_claim_04_trap():
    rows = 49  # the asking token of a window of T steps stands at T, so training up to 48 steps fills rows 0 to 48
    assert [length for length in range(rows, 129) if (length - 32) % 16 == 0] == [64, 80, 96, 112, 128]
    assert (rows - 1) - 16 == 32
    for first in range(17, 128):  # 16 lengths in a row end at each place of the bar
        assert {length % 16 for length in range(first, first + 16)} == set(range(16))


def test_claim_04_restart():
    restarted = torch.cat([sinusoidal(24, 32), sinusoidal(24, 32)])
    torch.testing.assert_close(restarted[:24], sinusoidal(48, 32)[:24])
    assert float((restarted - sinusoidal(48, 32))[24:].abs().amax(1).min()) > 0.5
    torch.testing.assert_close(torch.cat([sinusoidal(24, 32), sinusoidal(24, 32, start=24)]), sinusoidal(48, 32))


def test_eq_04_similarity():
    rows = torch.randn(400, 64, generator=torch.Generator().manual_seed(0))
    cosines = torch.nn.functional.cosine_similarity(rows[:, None], rows[None], dim=-1)
    torch.testing.assert_close(cosines[3, 5], rows[3] @ rows[5] / (rows[3].norm() * rows[5].norm()))
    other = cosines[*torch.triu_indices(400, 400, offset=1)]
    assert float(other.mean()) == pytest.approx(0, abs=0.005)
    assert float(other.std()) == pytest.approx(1 / math.sqrt(64), rel=0.02)


def test_claim_04_by_chance():
    rows = torch.randn(400, 64, generator=torch.Generator().manual_seed(0))
    cosines = torch.nn.functional.cosine_similarity(rows[:, None], rows[None], dim=-1)
    beyond = cosines[*torch.triu_indices(400, 400, offset=1)].abs() > 2 / math.sqrt(64)
    assert float(beyond.float().mean()) == pytest.approx(1 / 20, abs=0.01)


def test_claim_04_shipped():
    position = Generator.from_pretrained().position
    assert position.kind == "learned" and position.role.num_embeddings == len(ROLES)
    assert position.time.num_embeddings > 4 and float(position.time.weight.detach().norm()) > 0  # it began at zero


def test_eq_04_tracktime():
    position = TrackTimePosition(8, max_tokens=3)
    nn.init.normal_(position.time.weight)
    tokens, roles = torch.zeros(2, 5, 8), torch.tensor([ROLES.index("bass"), ROLES.index("keys")])
    out = position(tokens, roles)
    for n, t in itertools.product(range(2), range(5)):
        want = position.role.weight[roles[n]] + position.time.weight[min(t, 2)] + sinusoidal(5, 8)[t]
        torch.testing.assert_close(out[n, t], want)


def test_claim_04_same_role():
    position = TrackTimePosition(8, max_tokens=5)
    x, roles = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([3, 3])
    placed = position(x, roles)
    torch.testing.assert_close(placed[0] - x[0], placed[1] - x[1])
    torch.testing.assert_close(position(x.flip(0), roles), placed.flip(0))


def test_claim_04_role_length():
    torch.manual_seed(0)
    position = TrackTimePosition(64, 32)
    assert float(position.role.weight.detach().norm(dim=1).mean()) == pytest.approx(math.sqrt(64 / 2), rel=0.5)
    assert float(position.time.weight.detach().abs().max()) == 0  # "the table starts at zero"


def test_claim_04_clocks():
    tokens = 30 / 0.16
    turns = [2 * math.pi * 10000 ** (2 * i / 64) for i in range(32)]
    assert tokens == 187.5
    assert next(i for i, turn in enumerate(turns) if turn > tokens) == 12
    assert sum(turn > tokens for turn in turns) == 20
    assert 32 * math.log(187.5 / (2 * math.pi)) / math.log(10000) == pytest.approx(11.8, abs=0.05)
