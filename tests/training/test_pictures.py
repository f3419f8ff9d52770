"""The user's own images: every size, mode and ground becomes what the model learned from, or one clear error."""
import numpy as np
import pytest
from PIL import Image, ImageDraw

from tinyattn.training import pictures

FIGURE = {"data": "mnist", "channels": 1, "image_size": [28, 28], "mean": [0.1], "std": [0.3]}
PHOTO = {"data": "cifar10", "channels": 3, "image_size": [32, 32], "mean": [0.5] * 3, "std": [0.2] * 3}


def drawing(width=300, height=200, ink=20, paper=230, mode="L"):
    """A vertical bar, 20 × 100, away from the centre."""
    image = Image.new(mode, (width, height), paper)
    ImageDraw.Draw(image).rectangle([60, 40, 79, 139], fill=ink)
    return image


def prepared(tmp_path, image, about=FIGURE, name="a.png"):
    image.save(tmp_path / name)
    return pictures.prepare(tmp_path / name, about)


@pytest.mark.parametrize("ink, paper", [(20, 230), (230, 20), (90, 200)])
def test_a_figure_is_light_on_black_centred_and_20_high(tmp_path, ink, paper):
    image, notes = prepared(tmp_path, drawing(ink=ink, paper=paper))
    assert image.shape == (1, 28, 28) and image.dtype == np.uint8
    rows, columns = np.nonzero(image[0] > 127)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 23, 12, 15)
    assert image[0, 14, 14] > 240 and image[0, 0].max() == 0
    assert notes[0] == "300×200" and any("inverted" in note for note in notes) == (paper > ink)


def test_an_image_of_the_models_size_keeps_its_pixels(tmp_path):
    pixels = np.zeros((28, 28), np.uint8)
    pixels[5:9, 3:20] = np.arange(17, dtype=np.uint8) * 15
    image, notes = prepared(tmp_path, Image.fromarray(pixels))
    np.testing.assert_array_equal(image[0], pixels)
    assert "size kept" in notes


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255)])
def test_a_transparent_ground_is_one_the_ink_stands_out_from(tmp_path, colour):
    image = Image.new("RGBA", (64, 64), (*colour, 0))
    ImageDraw.Draw(image).rectangle([28, 10, 35, 50], fill=(*colour, 255))
    array, _ = prepared(tmp_path, image)
    assert array[0, 14, 14] > 240 and array[0, 14, 2] == 0


def test_other_modes_are_read(tmp_path):
    wide = np.asarray(drawing(), np.uint16) * 200
    for image, name in ((Image.fromarray(wide), "a.png"), (drawing().convert("P"), "b.png"),
                        (drawing().convert("1"), "c.png"), (drawing().convert("CMYK"), "d.jpg"),
                        (drawing().convert("RGB"), "e.jpg"), (drawing().convert("LA"), "f.png"), (drawing(), "g.gif")):
        array, _ = prepared(tmp_path, image, name=name)
        assert array[0, 14, 13] > 230, name


def test_a_blank_image_is_said_to_be_one(tmp_path):
    image, notes = prepared(tmp_path, Image.new("L", (50, 40), 255))
    assert image.shape == (1, 28, 28) and any("no figure" in note for note in notes)


def test_a_very_thin_figure_and_a_single_pixel(tmp_path):
    image, _ = prepared(tmp_path, Image.new("L", (1, 1), 200))
    assert image.shape == (1, 28, 28)
    thin = Image.new("L", (2000, 40), 255)
    ImageDraw.Draw(thin).line([100, 20, 1900, 20], fill=0, width=3)
    image, _ = prepared(tmp_path, thin)
    assert image.shape == (1, 28, 28) and image.max() > 100


def test_a_photograph_is_cut_to_its_middle_and_scaled(tmp_path):
    image = Image.new("RGB", (120, 60), (255, 0, 0))
    ImageDraw.Draw(image).rectangle([30, 0, 89, 59], fill=(0, 255, 0))
    array, notes = prepared(tmp_path, image, PHOTO)
    assert array.shape == (3, 32, 32) and (array[1] == 255).all() and (array[0] == 0).all()
    assert "cut to its middle 60×60" in notes
    np.testing.assert_allclose(pictures.normalised(array[None], PHOTO)[0, 1], 2.5, rtol=1e-6)


def test_bad_files_are_one_clear_error(tmp_path):
    (tmp_path / "text.png").write_text("no image")
    drawing().save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:150])
    (tmp_path / "empty.jpg").write_bytes(b"")
    for name, words in (("none.png", "no such file"), ("text.png", "no image that can be read"),
                        ("cut.png", "cannot be read"), ("empty.jpg", "no image"), ("", "folder")):
        with pytest.raises(pictures.PictureError, match=words):
            pictures.prepare(tmp_path / name, FIGURE)
