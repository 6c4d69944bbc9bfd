import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tulip_lite.data.augmentation import Augmentation


def coordinates(count=32, size=12):
    """Images whose pixels say where they come from: channel 0 the row + 1, channel 1 the column + 1; 0 is padding."""
    rows, columns = torch.meshgrid(torch.arange(size) + 1, torch.arange(size) + 1, indexing="ij")
    return torch.stack([rows, columns, 0 * rows + 7]).to(torch.uint8).repeat(count, 1, 1, 1)


@given(seed=st.integers(0, 2**31), pad=st.integers(1, 4))
def test_pad_crop_shifts_each_image_as_a_whole_by_at_most_pad(seed, pad):
    torch.manual_seed(seed)
    images = coordinates()
    moved = Augmentation(pad, flip=False)(images)
    assert moved.shape == images.shape and moved.dtype == torch.uint8
    seen = set()
    for image in moved.int():
        inside = image[2] == 7
        down = (image[0] - (torch.arange(12)[:, None] + 1))[inside].unique()
        right = (image[1] - (torch.arange(12)[None, :] + 1))[inside].unique()
        assert len(down) == len(right) == 1 and down.abs() <= pad and right.abs() <= pad
        assert image[:, ~inside].sum() == 0
        seen.add((int(down), int(right)))
    assert len(seen) > 1


def test_flip_mirrors_about_half_of_the_images():
    torch.manual_seed(0)
    images = coordinates(2000)
    flipped = Augmentation(pad=0)(images)
    mirrored = (flipped == images.flip(3)).flatten(1).all(1)
    assert torch.all(mirrored | (flipped == images).flatten(1).all(1))
    assert mirrored.float().mean().item() == pytest.approx(0.5, abs=4 * 0.0112)  # binomial standard deviation


def test_cutout_fills_one_square_with_its_own_mean():
    torch.manual_seed(0)
    images = torch.rand(200, 3, 32, 32)
    cut = Augmentation(0, False, cutout=16)(images)
    changed = (cut != images).any(1)
    for k in range(len(images)):
        rows, columns = (changed[k].any(d).nonzero().flatten() for d in (1, 0))
        window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        assert changed[k][window].all() and 8 <= len(rows) <= 16 and 8 <= len(columns) <= 16
        torch.testing.assert_close(
            cut[k][(slice(None), *window)].mean((1, 2)), images[k][(slice(None), *window)].mean((1, 2))
        )


def test_the_same_seed_gives_the_same_images():
    images, augment = coordinates(), Augmentation(4, True, 6)
    results = []
    for _ in range(2):
        torch.manual_seed(5)
        results.append(augment(images))
    assert torch.equal(*results)


def test_negative_sizes_are_refused():
    with pytest.raises(ValueError, match="pad"):
        Augmentation(pad=-1)
    with pytest.raises(ValueError, match="cutout"):
        Augmentation(cutout=-1)
