"""What an optimizer does at one place of a parameter: the functions that its kernel is made of, after `reference.optimizer`."""
import math


def formulas(real):
    """The function of (n, i, p, g, a, b, c) for each formula: numbers, a place, and the arrays of a member."""
    none, one = real(0), real(1)

    def sgd(n, i, p, g, a, b, c):
        p[i] -= n[6] * (n[1] * g[i] + n[0] * p[i])

    def sgd_first(n, i, p, g, a, b, c):  # a may hold a NaN, which 0 · a would keep
        slope = n[1] * g[i] + n[0] * p[i]
        a[i] = slope
        p[i] -= n[6] * (n[4] + n[5]) * slope

    def sgd_momentum(n, i, p, g, a, b, c):
        slope = n[1] * g[i] + n[0] * p[i]
        velocity = n[2] * a[i] + n[3] * slope
        a[i] = velocity
        p[i] -= n[6] * (n[4] * slope + n[5] * velocity)

    def adam(n, i, p, g, a, b, c):
        slope = n[8] * g[i] + n[1] * p[i]
        first = a[i] + n[3] * (slope - a[i])
        second = n[4] * b[i] + n[5] * slope * slope
        a[i], b[i] = first, second
        p[i] = n[0] * p[i] - n[2] * first / (math.sqrt(second) * n[6] + n[7])

    def amsgrad(n, i, p, g, a, b, c):
        slope = n[8] * g[i] + n[1] * p[i]
        first = a[i] + n[3] * (slope - a[i])
        second = n[4] * b[i] + n[5] * slope * slope
        largest = c[i]
        if not second <= largest:  # a NaN is seen from then on
            largest = second if largest == largest else largest
        a[i], b[i], c[i] = first, second, largest
        p[i] = n[0] * p[i] - n[2] * first / (math.sqrt(largest) * n[6] + n[7])

    def rmsprop(n, i, p, g, a, b, c):
        slope = n[4] * g[i] + n[0] * p[i]
        second = n[1] * a[i] + (one - n[1]) * slope * slope
        a[i] = second
        p[i] -= n[6] * slope / (math.sqrt(second) + n[2])

    def rmsprop_momentum(n, i, p, g, a, b, c):
        slope = n[4] * g[i] + n[0] * p[i]
        second = n[1] * a[i] + (one - n[1]) * slope * slope
        heavy = n[3] * c[i] + slope / (math.sqrt(second) + n[2])
        a[i], c[i] = second, heavy
        p[i] -= n[6] * heavy

    def rmsprop_centered(n, i, p, g, a, b, c):
        slope = n[4] * g[i] + n[0] * p[i]
        second = n[1] * a[i] + (one - n[1]) * slope * slope
        mean = b[i] + (one - n[1]) * (slope - b[i])
        spread = second - mean * mean
        if spread < none:  # by rounding
            spread = none
        a[i], b[i] = second, mean
        p[i] -= n[6] * slope / (math.sqrt(spread) + n[2])

    def rmsprop_centered_momentum(n, i, p, g, a, b, c):
        slope = n[4] * g[i] + n[0] * p[i]
        second = n[1] * a[i] + (one - n[1]) * slope * slope
        mean = b[i] + (one - n[1]) * (slope - b[i])
        spread = second - mean * mean
        if spread < none:
            spread = none
        heavy = n[3] * c[i] + slope / (math.sqrt(spread) + n[2])
        a[i], b[i], c[i] = second, mean, heavy
        p[i] -= n[6] * heavy

    def lion(n, i, p, g, a, b, c):
        change = n[4] * g[i] - a[i]
        way = a[i] + n[2] * change
        if way > none:
            way = one
        elif way < none:
            way = -one  # else 0, or a NaN, which must stay
        a[i] += n[3] * change
        p[i] = n[0] * p[i] - n[1] * way

    def lerp(n, i, p, g, a, b, c):
        p[i] += n[0] * (g[i] - p[i])

    def muon_momentum(n, i, p, g, a, b, c):  # p is u here
        velocity = a[i] + n[0] * (g[i] - a[i])
        a[i] = velocity
        p[i] = n[1] * g[i] + n[2] * velocity

    def blend(n, i, p, g, a, b, c):
        p[i] = n[1] * p[i] + n[0] * g[i]

    return locals()
