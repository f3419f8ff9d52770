"""Pictures as data: the same picture gives the same text and the same numbers, and what rounding leaves near 0 is 0 where nobody could see it."""
import numpy as np

from tinyattn.viz import style, vector


def drawn(values, scale="linear"):
    made = style.figure(3, 2)
    axes = made.subplots()
    axes.plot([1, 2, 3], values)
    axes.set_yscale(scale)
    axes.set_ylim(1e-20 if scale == "log" else -1, 1)
    return made


def heights(made):
    return vector.plotted(made)[0]["lines"][0]["values"][1::2]


def test_the_same_picture_is_the_same_text():
    assert vector.svg(drawn([0, 0.5, 1])) == vector.svg(drawn([0, 0.5, 1])) != vector.svg(drawn([0, 0.25, 1]))


def test_what_cannot_be_seen_is_zero_but_not_on_an_axis_of_powers():
    assert heights(drawn([3e-17, -2e-16, 0.5])) == [0, 0, 0.5]
    assert heights(drawn([3e-17, 2e-16, 0.5], "log")) == [3e-17, 2e-16, 0.5]
    assert heights(drawn([1e-6, -2e-9, 0.5])) == [1e-6, -2e-9, 0.5]


def test_images_and_large_arrays():
    made = style.figure(3, 2)
    image = np.linspace(0, 5, 900).reshape(30, 30)
    image[0, 1] = 1e-15
    made.subplots().imshow(image)
    (kept,) = vector.plotted(made)[0]["images"]
    assert kept["shape"] == [30, 30] and len(kept["values"]) == vector.MOST // 4 and abs(kept["mean"] - image.mean()) < 1e-4
    image[29, 29] = 9
    made.axes[0].images[0].set_data(image)
    assert vector.plotted(made)[0]["images"][0] != kept
