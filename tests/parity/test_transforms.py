"""The affine transform against PyTorch's sampler, `torch.nn.functional.affine_grid` and `grid_sample`."""
import numpy as np
import pytest

from tinyattn.data.transforms import affine, inverse_affine_matrices

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("shape", [(20, 1, 28, 28), (9, 3, 13, 8), (4, 2, 1, 5)])
def test_affine_equals_grid_sample(shape):
    random = np.random.default_rng(0)
    n, _, height, width = shape
    images = random.random(shape, np.float32)
    angle, scale = random.uniform(-180, 180, n), random.uniform(0.5, 2, n)
    translate, shear = random.uniform(-3, 3, (n, 2)), random.uniform(-20, 20, (n, 2))
    ours = affine(images, angle, translate, scale, shear)

    # PyTorch counts places from −1 to 1 between the outer edges of the image: pixels times 2/width, 2/height.
    size = np.array([width, height]) / 2
    theta = inverse_affine_matrices(angle, translate, scale, shear).astype(np.float64)
    theta[:, :, :2] *= size[None, None, :] / size[None, :, None]
    theta[:, :, 2] /= size
    grid = torch.nn.functional.affine_grid(torch.tensor(theta), shape, align_corners=False)
    theirs = torch.nn.functional.grid_sample(torch.tensor(images).double(), grid, mode="bilinear", padding_mode="zeros",
                                             align_corners=False)
    # Places are float32 here, up to 2·(height + width) pixels from the centre: 1e-7 of that, times a slope of at most 2.
    np.testing.assert_allclose(ours, theirs.numpy(), atol=4e-7 * (height + width) * 2)
