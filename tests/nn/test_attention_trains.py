"""Attention that learns where to look: tasks that cannot be solved without, made of random numbers, in seconds."""
import numpy as np

import tinyattn as ta
import tinyattn.nn.functional as F
from tinyattn import nn
from tinyattn.nn import attention
from tinyattn.viz import record


def trained(model, batch, loss_of, steps, lr, seed=0):
    """Losses of `steps` steps with Adam, each on a fresh batch."""
    random = np.random.default_rng(seed)
    optimizer = ta.optim.Adam(model.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        inputs, targets = batch(random, 32)
        loss = loss_of(model(ta.tensor(inputs)), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def marks(random, count):
    """Maps (N, 2, 7, 9) with one mark in each channel, and where they are: (N, 2, 2), row and column in 0 … 1."""
    x = random.normal(0, 0.1, (count, 2, 7, 9)).astype(np.float32)
    places = np.stack([random.integers(0, 7, (count, 2)), random.integers(0, 9, (count, 2))], -1)
    for n, c in np.ndindex(count, 2):
        x[n, c, places[n, c, 0], places[n, c, 1]] += 2
    return x, ((places + 0.5) / (7, 9)).astype(np.float32)


class Finder(nn.Module):
    """Two queries, one for each mark: where is it?"""

    def __init__(self):
        super().__init__()
        self.stem, self.decoder, self.head = nn.Conv2d(2, 16, 1), attention.QueryDecoder(16, 2, 2, 1, 32, dropout=0.0), nn.Linear(16, 2)

    def forward(self, x):
        return F.sigmoid(self.head(self.decoder(self.stem(x))))                          # (N, 2, 2)


def test_learned_queries_find_things():
    """Who answers with the middle of the map has a squared error of about 1/12. Each query looks at its own mark."""
    ta.manual_seed(1)
    model = Finder()
    losses = trained(model, marks, lambda y, places: ((y - ta.tensor(places)) ** 2).mean(), 180, 5e-3, seed=1)
    assert np.mean(losses[:5]) > 0.07 and np.mean(losses[-20:]) < 0.03, (losses[:5], losses[-20:])
    x, places = marks(np.random.default_rng(1), 64)
    with record(model) as recording, ta.no_grad():
        model(ta.tensor(x))
        weights = recording.of_kind("cross")[0][1].mean(1)                                # (N, queries, H·W)
    cells = (places * (7, 9)).astype(int)
    there = np.take_along_axis(weights, (cells[..., 0] * 9 + cells[..., 1])[..., None], 2)
    assert there.mean() > 5 / 63                                                         # five times chance


def tilted(random, count):
    """Images (N, 1, 16, 16) of a bar, upright or lying, small and anywhere; and which it is."""
    x = random.normal(0, 0.1, (count, 1, 16, 16)).astype(np.float32)
    labels, rows, columns = random.integers(0, 2, count), random.integers(0, 11, count), random.integers(0, 11, count)
    for image, lying, i, j in zip(x[:, 0], labels, rows, columns):
        if lying:
            image[i + 2, j:j + 5] += 2
        else:
            image[i:i + 5, j + 2] += 2
    return x, labels


def test_a_spatial_transformer_learns_to_look():
    """A linear layer cannot tell a lying bar from an upright one wherever they are; behind a transformer that looks there it can."""
    ta.manual_seed(0)
    plain = nn.Sequential(nn.Flatten(), nn.Linear(256, 2))
    looking = nn.Sequential(attention.SpatialTransformer(1, size=8), nn.Flatten(), nn.Linear(64, 2))

    def loss_of(y, labels):
        return F.cross_entropy(y, ta.tensor(labels))
    baseline = np.mean(trained(plain, tilted, loss_of, 200, 5e-3)[-30:])
    losses = trained(looking, tilted, loss_of, 200, 5e-3)
    assert np.mean(losses[-30:]) < 0.6 * baseline, (np.mean(losses[-30:]), baseline)
    x, _ = tilted(np.random.default_rng(1), 16)
    with record(looking) as recording, ta.no_grad():
        looking(ta.tensor(x))
        grid = recording.of_kind("grid")[0][1]
    middles = grid.reshape(16, -1, 2).mean(1)
    assert middles.std(0).max() > 0.1                                                    # images are looked at in different places
