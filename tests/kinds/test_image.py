import base64
import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image as Picture

from attar.errors import DataError
from attar.kinds.image import Image, _affine, _blurred, _recoloured, _relit

RNG = np.random.default_rng(0)


def test_preprocess_equals_numpy():
    x = RNG.integers(0, 256, (50, 9, 7, 3)).astype(np.float32)
    z = Image.learn(x).preprocess()(torch.from_numpy(x)).numpy()
    x64 = x.astype(np.float64)
    expected = (x64 - x64.mean(axis=(0, 1, 2))) / x64.std(axis=(0, 1, 2))
    np.testing.assert_allclose(z, expected.transpose(0, 3, 1, 2), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_come_last(channels):
    with pytest.raises(DataError, match="transpose"):
        Image.learn(np.zeros((5, channels, 8, 9), np.float32))
    assert Image.learn(np.zeros((5, 3, 8, 4), np.float32)).layout[0] == 4


def test_a_missing_pixel_becomes_the_mean():
    x = RNG.random((10, 5, 5), dtype=np.float32)
    x[3, 2, 2] = np.nan
    assert Image.learn(x).preprocess()(torch.from_numpy(x))[3, 0, 2, 2] == 0


def test_what_comes_in_over_the_edge_is_the_background():
    x = np.full((200, 8, 8), 200.0, dtype=np.float32)
    x[:, 3:5, 3:5] = 10
    kind = Image.learn(x)
    assert kind.background == (200.0,)
    z = kind.preprocess()(torch.from_numpy(x))
    seen = kind.restore(kind.view(z, torch.Generator().manual_seed(0)))
    # The border stays bright: within contrast and noise of the background.
    assert seen[:, 0].median() > 150


def test_the_background_is_that_of_all_images_in_whichever_order():
    x = np.zeros((9000, 4, 5), dtype=np.float32)
    x[4096:] = 5
    assert Image.learn(x).background == Image.learn(x[::-1]).background == (5.0,)


def test_digits_are_never_mirrored_but_photographs_are():
    def half(channels: int) -> float:
        x = np.zeros((400, 24, 24, channels), dtype=np.float32)
        x[:, :, :12] = 1
        kind = Image.learn(x)
        z = kind.preprocess()(torch.from_numpy(x))
        v = kind.view(z, torch.Generator().manual_seed(0))
        return (v[..., :12].mean(dim=(1, 2, 3)) > v[..., 12:].mean(dim=(1, 2, 3))).float().mean().item()

    assert half(1) == 1.0
    assert 0.4 < half(3) < 0.6


def test_a_view_shows_most_of_an_image_and_little_beyond():
    maps = _affine(torch.zeros(500, 1, 9, 9), torch.Generator().manual_seed(0), 1.0)
    area = torch.linalg.det(maps[:, :, :2])
    assert 0.6 <= area.min() < 0.65
    assert 0.95 < area.max() <= 1
    # Without the turn, corners of the view lie within the image or a twentieth beyond.
    sides = maps[:, :, :2].norm(dim=1)
    reach = sides + maps[:, :, 2].abs()
    assert reach.max() < 1.3
    assert (reach - sides.clamp(min=1)).max() <= 0.05 + 1e-6


@pytest.mark.parametrize("size", [(9, 9), (16, 64), (64, 16)])
def test_an_image_is_turned_and_not_sheared_whatever_its_sides(size):
    maps = _affine(torch.zeros(500, 1, *size, dtype=torch.double), torch.Generator().manual_seed(0), 1.0)[:, :, :2]
    side = torch.tensor([size[1], size[0]], dtype=torch.double)
    pixels = maps * side[:, None] / side
    across, down = pixels.unbind(dim=2)
    torch.testing.assert_close((across * down).sum(dim=1), torch.zeros(500, dtype=torch.double))
    largest = torch.atan2(across[:, 1], across[:, 0]).abs().max() * max(size) / min(size)
    assert 0.19 < largest <= 0.2
    # The middle of each side is no farther away from the image than that of a square one.
    assert maps.abs().amax() < 1.2
    # No more is left out, and nothing stretched more, than of a square image.
    sides = pixels.norm(dim=1)
    assert sides.prod(dim=1).min() >= 0.6
    assert (sides[:, 0] / sides[:, 1]).log().abs().max() <= 0.33 + 1e-9


def test_a_view_is_cut_out_as_precisely_in_mixed_precision():
    x = torch.linspace(-1, 1, 224).expand(4, 1, 224, 224)
    kind = Image((224, 224), (0.0,), (1.0,), (0.0,))

    def seen():
        return kind.view(x, torch.Generator().manual_seed(0))

    exact = seen()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = seen()
    # What is left is the blur, which rounds colours to 1 / 256.
    assert (mixed - exact).square().mean().sqrt() < 1e-3


def test_light_is_gamma_between_the_extremes_then_contrast_and_brightness():
    x = torch.tensor(RNG.normal(size=(20, 2, 5, 6)))
    seen = _relit(x, torch.Generator().manual_seed(0), 0.8).numpy()
    drawn = (torch.rand(20, 3, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8).tolist()
    for i, (gamma, contrast, brightness) in enumerate(drawn):
        image = x[i].numpy()
        low, high = image.min(), image.max()
        lit = low + (high - low) * ((image - low) / (high - low)) ** np.exp(1.2 * gamma)
        np.testing.assert_allclose(seen[i], lit * np.exp(0.7 * contrast) + 0.5 * brightness, rtol=1e-6)
    flat = torch.full((4, 1, 3, 3), 2.0)
    assert torch.isfinite(_relit(flat, torch.Generator().manual_seed(0), 1.0)).all()


@pytest.mark.parametrize("shape", [(8, 8), (28, 28), (12, 40), (32, 32, 3), (9, 9, 2)])
def test_a_thumbnail_is_a_png_large_enough_to_see(shape):
    x = RNG.random((3, *shape), dtype=np.float32) * 1000
    drawn = Image.learn(x).draw(x[0])
    data = base64.b64decode(drawn.split("base64,")[1])
    picture = Picture.open(io.BytesIO(data))
    assert min(picture.size) >= 48
    assert picture.mode == ("RGB" if shape[2:] == (3,) else "L")
    assert picture.convert("L").getextrema()[1] > 200


def test_a_very_small_and_a_very_flat_image_are_encoded():
    for shape in ((1, 1), (2, 3), (5, 200)):
        x = RNG.random((4, *shape), dtype=np.float32)
        kind = Image.learn(x)
        z = kind.preprocess()(torch.from_numpy(x))
        code = kind.encoder(5, 4)(kind.view(z, torch.Generator()))
        assert kind.decoder(5, 4)(code).shape == z.shape


def test_some_photographs_lose_their_colour():
    patch = torch.tensor([1.0, -1.0, 0.5])[:, None, None].expand(400, 3, 24, 24)
    seen = _recoloured(patch, torch.Generator().manual_seed(0), 1.0)
    grey = (seen.amax(dim=1) - seen.amin(dim=1)).amax(dim=(1, 2)) < 1e-6
    assert 0.14 < grey.float().mean() < 0.26


@pytest.mark.parametrize(("shape", "sigma"), [((3, 28, 30), 0.7), ((1, 224, 230), 2.0), ((1, 1, 2), 0.7)])
def test_a_blur_equals_scipys_gaussian(shape, sigma):
    from scipy.ndimage import gaussian_filter

    x = torch.tensor(RNG.normal(size=(4, *shape)))
    expected = gaussian_filter(x.numpy(), sigma, mode="nearest", radius=round(2 * sigma), axes=(2, 3))
    np.testing.assert_allclose(_blurred(x), expected, atol=1e-12)


def test_large_photographs_are_seen_and_left_alone_without_strength():
    x = RNG.random((3, 80, 70, 3), dtype=np.float32)
    kind = Image.learn(x)
    z = kind.preprocess()(torch.from_numpy(x))
    assert torch.isfinite(kind.view(z, torch.Generator())).all()
    torch.testing.assert_close(kind.view(z, torch.Generator(), 0.0), z, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 1), (6, 8, 3), (80, 40, 3)])
def test_pictures_are_the_images_each_from_black_to_white(shape):
    x = np.random.default_rng(0).random((3, *shape)).astype(np.float32) * 7 - 2
    x[1] = 5.0
    made = Image.learn(x).pictures(x)
    assert made.dtype == np.uint8
    assert made.shape[1:3] == ((32, 16) if shape[0] == 80 else shape[:2])
    assert (made[0].min(), made[0].max(), made[1].max()) == (0, 255, 0)
    if shape[0] == 6:
        grey = x[0] if len(shape) == 2 else x[0].mean(axis=2)
        expected = (grey - grey.min()) / (grey.max() - grey.min()) * 255
        found = made[0].mean(axis=2) if shape[-1] == 3 else made[0, :, :, 0]
        if shape[-1] == 3:  # the scale is that of all colours together
            expected = (grey - x[0].min()) / (x[0].max() - x[0].min()) * 255
        np.testing.assert_allclose(found, expected, atol=0.6)


def test_pictures_of_missing_pixels_are_defined():
    x = np.full((2, 5, 5), np.nan, dtype=np.float32)
    assert Image.learn(x).pictures(x).max() == 0


@pytest.mark.parametrize("shape", [(40, 64, 3), (8, 33), (16, 16)])
def test_for_a_backbone_images_are_shrunk_as_pillow_does_and_enlarged_as_torch_does(shape):
    x = np.random.default_rng(0).random((3, *shape), dtype=np.float32)
    kind = Image.learn(x)
    normalised = kind.preprocess()(torch.from_numpy(x))
    found = kind.backbone_inputs(normalised, len(kind.mean), (16, 20))["pixel_values"]
    expected = F.interpolate(normalised, (16, 20), mode="bilinear", antialias=True)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
