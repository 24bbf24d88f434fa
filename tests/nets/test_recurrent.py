import torch

from attar.nets.recurrent import RecurrentDecoder, RecurrentEncoder


def _gru(gru, x, h):
    """All states, from the formula."""
    states = []
    for step in x.unbind(1):
        ri, zi, ni = (step @ gru.weight_ih_l0.T + gru.bias_ih_l0).chunk(3, dim=1)
        rh, zh, nh = (h @ gru.weight_hh_l0.T + gru.bias_hh_l0).chunk(3, dim=1)
        z = torch.sigmoid(zi + zh)
        h = (1 - z) * torch.tanh(ni + torch.sigmoid(ri + rh) * nh) + z * h
        states.append(h)
    return torch.stack(states, dim=1)


def test_the_representation_is_a_map_of_the_last_state():
    encoder, x = RecurrentEncoder(2, dim=3, width=5).double(), torch.randn(4, 2, 9, dtype=torch.float64)
    states = _gru(encoder.gru, x.transpose(1, 2), torch.zeros(4, 5, dtype=torch.float64))
    torch.testing.assert_close(encoder(x), encoder.last(states[:, -1]))


def test_the_decoder_starts_from_the_representation_and_sees_it_at_every_step():
    decoder, z = RecurrentDecoder(2, 9, dim=3, width=5).double(), torch.randn(4, 3, dtype=torch.float64)
    states = _gru(decoder.gru, z[:, None].expand(-1, 9, -1), torch.tanh(decoder.first(z)))
    torch.testing.assert_close(decoder(z), decoder.last(states).transpose(1, 2))
