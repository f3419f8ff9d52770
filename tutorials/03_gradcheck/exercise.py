"""Lesson 03, exercises: a gradient checker of your own.

Write what is missing, then:  tinyattn learn check 03
"""


def central_difference(function, x, step):
    """The slope of a number for each number of an array, by nudging both ways.

    function: takes an array of the shape of x, returns a float. x: float64 array of any shape, also (); it must be as before when you
    are done. step: float. Returns an array of the shape of x.
    """
    raise NotImplementedError


def agrees(analytic, numeric, rtol, atol):
    """Whether two gradients are the same: True or False.

    analytic, numeric: float64 arrays. They are the same if their shapes are equal and |analytic − numeric| ≤ atol + rtol · |numeric| at
    every number. A NaN agrees with nothing.
    """
    raise NotImplementedError


def wrong_places(forward, backward, x):
    """Where a backward is wrong, found with nudges.

    forward(x) returns an array of some other shape; backward(gradient, x) takes a gradient of that shape and returns an array of the
    shape of x. x: float64 array. Returns a bool array of the shape of x, True where backward is wrong. It must find mistakes that
    show for some gradients only, be silent about right ones (also where the slope is 0), and count NaN as wrong.
    """
    raise NotImplementedError
