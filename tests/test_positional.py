"""tfrgan_lite.positional: the paper's formulae, and the learned encoding over role and time."""

import math

import pytest
import torch

from tfrgan_lite.labels import ROLES, role_index
from tfrgan_lite.positional import TrackTimePosition, sinusoidal


def tokens(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("length", "d_model"), [(1, 2), (4, 4), (63, 64), (1000, 128)])
def test_the_papers_formulae(length, d_model):
    encoding = sinusoidal(length, d_model)
    assert encoding.shape == (length, d_model) and encoding.dtype == torch.float32
    for pos in {0, 1, length // 2, length - 1} & set(range(length)):
        for i in {0, d_model // 4, d_model // 2 - 1}:
            angle = pos / 10000 ** (2 * i / d_model)
            assert float(encoding[pos, 2 * i]) == pytest.approx(math.sin(angle), abs=1e-6)
            assert float(encoding[pos, 2 * i + 1]) == pytest.approx(math.cos(angle), abs=1e-6)


def test_far_positions_stay_accurate():
    far = 1_000_003
    assert float(sinusoidal(1, 8, start=far)[0, 0]) == pytest.approx(math.sin(far), abs=1e-6)


def test_start_continues_the_sequence():
    assert torch.equal(sinusoidal(10, 16)[4:], sinusoidal(6, 16, start=4))
    assert sinusoidal(0, 16).shape == (0, 16)


def test_an_odd_width_is_refused():
    with pytest.raises(ValueError, match="d_model: 7 is odd"):
        sinusoidal(5, 7)


def test_no_two_positions_of_a_song_are_alike():
    encoding = sinusoidal(2000, 32).double()
    gaps = torch.cdist(encoding, encoding) + 10 * torch.eye(2000)
    assert float(gaps.min()) > 0.1


def test_role_time_and_sinusoid_are_added():
    position = TrackTimePosition(8, max_tokens=5)
    with torch.no_grad():
        position.time.weight.copy_(tokens(5, 8))
    x, roles = tokens(2, 3, 5, 8), torch.tensor([[0, 1, 2], [7, 7, 1]])
    out = position(x, roles)
    for b, n, t in ((0, 0, 0), (1, 2, 4), (1, 0, 3)):
        want = x[b, n, t] + position.role.weight[roles[b, n]] + position.time.weight[t] + sinusoidal(5, 8)[t]
        torch.testing.assert_close(out[b, n, t], want)


def test_permuting_tracks_permutes_tokens():
    position, x = TrackTimePosition(8, 10), tokens(4, 10, 8)
    roles = torch.tensor([role_index(role) for role in ("drums", "bass", "voice", "other")])
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(position(x[order], roles[order]), position(x, roles)[order])


def test_tracks_of_one_role_share_a_vector_and_roles_differ():
    position, x = TrackTimePosition(8, 10), torch.zeros(3, 10, 8)
    out = position(x, torch.tensor([3, 3, 4]))
    assert torch.equal(out[0], out[1]) and not torch.allclose(out[0], out[2])
    assert position.role.num_embeddings == len(ROLES)


def test_later_than_the_table_only_the_sinusoid_tells_tokens_apart():
    position = TrackTimePosition(8, max_tokens=4)
    with torch.no_grad():
        position.time.weight.copy_(tokens(4, 8))
    out = position(torch.zeros(1, 9, 8), torch.tensor([0]))[0] - position.role.weight[0]
    torch.testing.assert_close(out[:4] - sinusoidal(9, 8)[:4], position.time.weight)
    torch.testing.assert_close(out[4:] - sinusoidal(9, 8)[4:], position.time.weight[3].expand(5, -1))
    assert float(torch.cdist(out[4:], out[4:]).detach().add(10 * torch.eye(5)).min()) > 0.1


def test_both_tables_learn():
    position = TrackTimePosition(8, 10)
    (position(tokens(2, 10, 8), torch.tensor([0, 1])) ** 2).sum().backward()
    assert float(position.time.weight.grad.abs().min()) > 0
    assert (position.role.weight.grad.abs().sum(1) > 0).tolist() == [True, True] + [False] * 6
