import numpy as np
import pytest
import torch

from attar.kinds.series import Series, _permuted, _perturbed, _positions, _resample

RNG = np.random.default_rng(0)


def test_preprocess_equals_numpy_and_the_padding_is_zero():
    x = (RNG.normal(size=(40, 3, 20)) * [[1], [10], [0.01]] + 5).astype(np.float32)
    x[7, :, 12:] = np.nan
    z = Series.learn(x).preprocess()(torch.from_numpy(x)).numpy()
    x64 = x.astype(np.float64)
    mean, std = np.nanmean(x64, axis=(0, 2)), np.nanstd(x64, axis=(0, 2))
    np.testing.assert_allclose(z, np.nan_to_num((x64 - mean[:, None]) / std[:, None]), atol=2e-4)
    assert (z[7, :, 12:] == 0).all()


def test_resampling_is_linear_interpolation():
    x = torch.tensor(RNG.normal(size=(5, 2, 11)))
    positions = torch.tensor(RNG.random((5, 11)))
    got = _resample(x, positions)
    for i in range(5):
        for c in range(2):
            np.testing.assert_allclose(got[i, c], np.interp(positions[i] * 10, np.arange(11), x[i, c]), atol=1e-12)


@pytest.mark.parametrize("strength", [1.0, 4.0, 20.0])
def test_series_are_mirrored_as_often_as_it_takes(strength):
    positions = _positions(torch.zeros(500, 1, 50), torch.Generator().manual_seed(0), strength)
    assert positions.min() >= 0
    assert positions.max() <= 1


def test_positions_stay_inside_and_move_at_one_pace_but_where_mirrored():
    x = torch.zeros(500, 1, 64)
    positions = _positions(x, torch.Generator().manual_seed(0), 1.0)
    assert positions.min() >= 0
    assert positions.max() <= 1
    pace = positions.diff(dim=1).abs() * 63
    zoom = pace.median(dim=1, keepdim=True).values
    assert zoom.min() >= 0.79
    assert zoom.max() <= 1.21
    assert ((pace - zoom).abs() < 1e-3).float().mean() > 0.95


def test_each_series_has_an_offset_of_its_own():
    x = torch.zeros(400, 2, 60)
    kind = Series.learn(np.zeros((2, 2, 60), dtype=np.float32))
    middle = kind.view(x, torch.Generator().manual_seed(0)).median(dim=2).values
    assert middle.std(dim=0).min() > 0.17
    assert middle.std(dim=0).max() < 0.23
    # A channel has its own, too.
    assert abs(torch.corrcoef(middle.T)[0, 1]) < 0.2


def test_a_masked_stretch_is_zero_and_short():
    x = torch.full((500, 1, 100), 5.0)
    kind = Series.learn(np.zeros((2, 1, 100), dtype=np.float32))
    masked = (kind.view(x, torch.Generator().manual_seed(0)).abs() < 1).float().mean(dim=(1, 2))
    assert 0.02 < masked.mean() < 0.2
    assert masked.max() < 0.35


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 24, 300, 2000])
def test_any_length_is_seen_encoded_and_decoded(steps):
    x = RNG.normal(size=(4, 2, steps)).astype(np.float32)
    kind = Series.learn(x)
    z = kind.preprocess()(torch.from_numpy(x))
    view = kind.view(z, torch.Generator().manual_seed(0))
    assert torch.isfinite(view).all()
    assert kind.decoder(6, 4)(kind.encoder(6, 4)(view)).shape == z.shape


def test_a_drawing_has_a_line_of_few_points_per_channel():
    drawn = Series.learn(np.zeros((1, 8, 500), dtype=np.float32)).draw(RNG.normal(size=(8, 500)).astype(np.float32))
    assert drawn.count("<polyline") == 6
    assert all(line.count(",") <= 64 for line in drawn.split("points=")[1:])
    assert len({part[:7] for part in drawn.split('stroke="')[1:]}) == 6


def test_a_permutation_moves_whole_pieces_and_loses_no_step():
    x = torch.arange(50.0).expand(300, 2, 50)
    seen = _permuted(x, torch.Generator().manual_seed(0), 5)
    assert torch.equal(seen.sort(dim=2).values, x)
    assert torch.equal(seen[:, 0], seen[:, 1]), "channels stay together"
    breaks = (seen[:, 0].diff(dim=1) != 1).sum(dim=1)
    assert breaks.max() <= 5
    assert (breaks == 0).float().mean() > 0.1
    assert (breaks >= 3).float().mean() > 0.2
    assert torch.equal(_permuted(x, torch.Generator(), 0.0), x)


@pytest.mark.parametrize("steps", [1, 2, 31, 32])
def test_a_perturbed_spectrum_keeps_the_mean_and_the_phases(steps):
    x = torch.tensor(RNG.normal(size=(200, 2, steps)))
    seen = _perturbed(x, torch.Generator().manual_seed(0), 0.5)
    torch.testing.assert_close(seen.mean(dim=2), x.mean(dim=2))
    before, after = torch.fft.rfft(x), torch.fft.rfft(seen)
    ratio = (after / before)[..., 1:]
    assert ratio.imag.abs().max() < 1e-6 if ratio.numel() else True
    assert ((ratio.real >= 0.5 - 1e-6) & (ratio.real <= 1.5 + 1e-6)).all()
    torch.testing.assert_close(_perturbed(x, torch.Generator(), 0.0), x)


def test_the_sequence_is_what_the_encoder_pools():
    x = torch.tensor(RNG.normal(size=(5, 2, 40)), dtype=torch.float32)
    kind = Series.learn(x.numpy())
    encoder = kind.encoder(8, 4).eval()
    sequence = kind.sequence(encoder, x)
    assert sequence.shape[0] == 5
    assert sequence.shape[2] == 4
    torch.testing.assert_close(torch.cat([sequence.mean(dim=1), sequence.amax(dim=1)], dim=1), encoder(x))


def test_pictures_have_a_line_for_each_channel_that_has_no_gaps():
    steps = np.linspace(0, 1, 100, dtype=np.float32)
    x = np.stack([np.stack([steps, np.sin(30 * steps)]), np.stack([np.full(100, 3.0), 1 - steps])]).astype(np.float32)
    made = Series.learn(x).pictures(x)
    assert made.dtype == np.uint8
    inked = (made != 255).any(axis=3)
    assert inked.any(axis=1).all()  # in every column
    first, second = (np.array(colour) for colour in ((0x1F, 0x77, 0xB4), (0xD9, 0x5F, 0x02)))
    # What rises goes from the lower left to the upper right.
    rows = [np.flatnonzero((made[0, :, column] == first).all(axis=1)) for column in (1, 62)]
    assert rows[0].min() > rows[1].max()
    assert (made[1] == second).all(axis=2).any()


def test_pictures_of_short_and_missing_series_are_defined():
    x = np.random.default_rng(0).random((3, 2, 20)).astype(np.float32)
    x[0, :, 10:] = np.nan
    x[1, 0] = np.nan
    x[2] = np.nan
    # Also where what there is does not change.
    x = np.concatenate([x, np.where(np.isnan(x[:1]), x[:1], 3)])
    made = Series.learn(x).pictures(x)
    inked = (made != 255).any(axis=(1, 3))
    for short in inked[[0, 3]]:
        assert short[:30].all()
        assert not short[34:].any()
    assert inked[1].all()
    assert not inked[2].any()
