"""Random numbers by counter: the published answers, the distributions, and that nothing but the counter matters."""
import numpy as np
import pytest

from tinyattn.data.rng import Rng, permutation, philox


@pytest.mark.parametrize("counter, key, answer", [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
])
def test_known_answers(counter, key, answer):
    """The test vectors that the authors of Philox publish with Random123 (philox4x32, 10 rounds)."""
    counter = [np.uint64(int(word, 16)) for word in counter.split()]
    k0, k1 = (int(word, 16) for word in key.split())
    assert " ".join(f"{int(word):08x}" for word in philox(*counter, k0 | k1 << 32)) == answer


def scalar_philox(counter, seed):
    """The same function in plain Python integers, one block."""
    c, k = list(counter), [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & 0xFFFFFFFF, (a >> 32) ^ c[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def test_words_are_the_blocks_of_their_counters():
    rng = Rng(seed=0x123456789ABCDEF0, epoch=3, index=[17, 4_000_000_000])
    rng.words(1)
    words = rng.words(6)  # the second draw: stream 1
    for row, sample in zip(words, (17, 4_000_000_000)):
        expected = [word for block in (0, 1) for word in scalar_philox((block, sample, 3, 1), 0x123456789ABCDEF0)]
        assert row.tolist() == expected[:6]


def test_a_sample_draws_the_same_in_any_company():
    for draw in (lambda rng: rng.uniform(5), lambda rng: rng.normal(37), lambda rng: rng.integers(3, 10)):
        together = draw(Rng(1, 2, np.arange(1000)))
        order = np.random.default_rng(0).permutation(1000)
        np.testing.assert_array_equal(draw(Rng(1, 2, order)), together[order])
        for n in (0, 1, 500, 999):
            np.testing.assert_array_equal(draw(Rng(1, 2, [n]))[0], together[n])


def test_seed_epoch_sample_and_draw_each_matter():
    first = Rng(5, 0, [0])
    rows = [first.uniform(4), first.uniform(4)] + [Rng(*key).uniform(4) for key in ((6, 0, [0]), (5, 1, [0]), (5, 0, [1]),
                                                                                   (5 + (1 << 40), 0, [0]))]
    assert len({row.tobytes() for row in rows}) == 6


class Lowest(Rng):
    """The draw of one in 16 million: u = 0, whose logarithm there is not."""

    def words(self, n):
        return np.zeros((len(self.index), n), np.uint64)


def test_uniform_and_normal_are_what_they_say():
    u = Rng(0, 0, np.arange(1000)).uniform(1000)
    assert u.dtype == np.float32 and u.min() >= 0 and u.max() < 1
    counts = np.histogram(u, 100, (0, 1))[0]
    assert ((counts - 1e4) ** 2 / 1e4).sum() < 150  # χ² of 99 degrees of freedom: 150 is beyond 99.9 %
    z = Rng(0, 0, np.arange(1000)).normal(1000)
    assert z.dtype == np.float32 and np.isfinite(z).all()
    for power, moment in enumerate((0, 1, 0, 3), 1):
        assert abs((z.astype(float) ** power).mean() - moment) < 0.04
    assert abs((abs(z) > 1.959964).mean() - 0.05) < 0.001
    assert np.isfinite(Lowest(0, 0, np.arange(3)).normal(2)).all()
    k = Rng(0, 0, np.arange(1000)).integers(1000, 7)
    assert k.dtype == np.int64 and (abs(np.bincount(k.ravel(), minlength=7) / 1e6 - 1 / 7) < 0.002).all()
    assert Rng(0, 0, np.arange(9)).uniform(2, -3.0, 5.0).min() >= -3


def test_permutation():
    a = permutation(10_000, seed=1, epoch=0)
    assert np.array_equal(np.sort(a), np.arange(10_000))
    assert not np.array_equal(a, permutation(10_000, 1, 1)) and not np.array_equal(a, permutation(10_000, 2, 0))
    assert np.array_equal(a, permutation(10_000, 1, 0))
    assert abs(np.corrcoef(a, np.arange(10_000))[0, 1]) < 0.05
    places = np.array([permutation(5, 0, epoch)[0] for epoch in range(2000)])
    assert (abs(np.bincount(places) - 400) < 80).all()
    assert permutation(0, 0, 0).shape == (0,)


def test_numbers_out_of_range():
    for arguments in ((-1,), (1 << 64,), (0, -1), (0, 1 << 32), (0, 0, [-1])):
        with pytest.raises(ValueError, match="Rng: "):
            Rng(*arguments)
