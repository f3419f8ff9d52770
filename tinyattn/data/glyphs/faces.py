"""Which typefaces are trained on, which are tested on, and which characters are the classes.

Training and test share no typeface family, so the test accuracy says whether a network has learnt what an "R" is, not
what DejaVu's R looks like:

======  =======================================================================================================
train   DejaVu Sans, Sans Mono, Serif (upright, bold, and the true italics of the Serif), and Computer Modern
        Roman, Bold, Typewriter and Text Italic: sans and serif, even and contrasted strokes, wide and narrow
test    STIX General (a Times: regular, bold, italic, bold italic) and Computer Modern Sans
======  =======================================================================================================

DejaVu Sans Mono is drawn after DejaVu Sans and would leak into the test, so it stands on the training side. Computer
Modern Sans has the proportions of the Roman, but no glyph of it is one: no serifs, even strokes. The oblique DejaVu
faces are the upright ones sheared, which the distortion does already, and are left out.

The classes are the ten digits, 23 capitals and 8 small letters. Left out is what coincides between typefaces, or within
one now that every glyph is brought to the same size, so that not even a reader could tell it:

- ``O o`` are 0, and Q is one with a tail as each typeface likes it; ``I l i`` are 1 and one another;
- ``q`` is 9, and ``g`` is 9 with one storey and 8 with two; ``m`` is an M or a W that stands on its head;
- ``t`` is a 1 with a bar, or an f with a foot; ``j`` without its dot is J; ``p`` and ``y`` pushed up are P and Y;
- ``c k s u v w x z`` are the capitals, only smaller.
"""
from typing import NamedTuple


class Face(NamedTuple):
    """One typeface: our name for it, the file of matplotlib it is taken from, its family, and its licence beside this."""
    name: str
    source: str
    family: str
    license: str


FACES = (
    Face("dejavu-sans", "DejaVuSans.ttf", "DejaVu", "DEJAVU.txt"),
    Face("dejavu-sans-bold", "DejaVuSans-Bold.ttf", "DejaVu", "DEJAVU.txt"),
    Face("dejavu-mono", "DejaVuSansMono.ttf", "DejaVu", "DEJAVU.txt"),
    Face("dejavu-mono-bold", "DejaVuSansMono-Bold.ttf", "DejaVu", "DEJAVU.txt"),
    Face("dejavu-serif", "DejaVuSerif.ttf", "DejaVu", "DEJAVU.txt"),
    Face("dejavu-serif-bold", "DejaVuSerif-Bold.ttf", "DejaVu", "DEJAVU.txt"),
    Face("dejavu-serif-italic", "DejaVuSerif-Italic.ttf", "DejaVu", "DEJAVU.txt"),
    Face("dejavu-serif-bold-italic", "DejaVuSerif-BoldItalic.ttf", "DejaVu", "DEJAVU.txt"),
    Face("cm-roman", "cmr10.ttf", "Computer Modern Roman", "BAKOMA.txt"),
    Face("cm-bold", "cmb10.ttf", "Computer Modern Roman", "BAKOMA.txt"),
    Face("cm-italic", "cmti10.ttf", "Computer Modern Roman", "BAKOMA.txt"),
    Face("cm-typewriter", "cmtt10.ttf", "Computer Modern Typewriter", "BAKOMA.txt"),
    Face("cm-sans", "cmss10.ttf", "Computer Modern Sans", "BAKOMA.txt"),
    Face("times-regular", "STIXGeneral.ttf", "STIX", "STIX.txt"),
    Face("times-bold", "STIXGeneralBol.ttf", "STIX", "STIX.txt"),
    Face("times-italic", "STIXGeneralItalic.ttf", "STIX", "STIX.txt"),
    Face("times-bold-italic", "STIXGeneralBolIta.ttf", "STIX", "STIX.txt"),
)

TEST_FAMILIES = ("Computer Modern Sans", "STIX")

SPLITS = {
    "train": tuple(face.name for face in FACES if face.family not in TEST_FAMILIES),
    "test": tuple(face.name for face in FACES if face.family in TEST_FAMILIES),
}

# Letters of bare straight strokes come out alike in every sans serif once their size is normalised (the L to the last
# sample). Where a test face would show such a twin of a training glyph, STAND_IN shows the letter in its place.
TWINS = {"cm-sans": "EHLT"}
STAND_IN = "times-regular"

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"     # what the atlas holds

CLASSES = tuple("0123456789ABCDEFGHJKLMNPRSTUVWXYZabdefhnr")                       # what the data set asks
