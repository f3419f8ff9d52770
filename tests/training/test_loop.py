"""Parts of the loop that a whole run does not show: schedules, decay groups, saving by the clock, evaluation."""
import math

import numpy as np
import pytest

import tinyattn as ta
from tinyattn import nn, training
from tinyattn.nn import functional as F
from tinyattn.training import config as c
from tinyattn.training import loop, setup


def config(**changes):
    small = {"data": "glyphs", "limit_train": 96, "limit_test": 40, "batch_size": 32, "epochs": 2}
    return c.complete(**{**small, **changes})


@pytest.mark.parametrize("schedule", c.SCHEDULES)
def test_learning_rates_of_a_run(schedule):
    made = config(schedule=schedule, lr=0.5)
    optimizer = setup.build_optimizer(made, nn.Linear(2, 2))
    moves, rates = setup.build_schedule(made, optimizer, 100), []
    for _ in range(100):
        rates.append({group["lr"] for group in optimizer.param_groups})
        if moves is not None:
            moves.step()
    assert all(len(rate) == 1 for rate in rates)
    rates = [rate.pop() for rate in rates]
    assert math.isclose(max(rates), 0.5, rel_tol=0.02)
    expected = {"onecycle": (0.0, 1e-4), "triangle": (0.1, 0.5 / 80), "cosine": (0.5, 1e-3), "step": (0.5, 0.005), "constant": (0.5, 0.5)}[schedule]
    assert rates[0] >= expected[0] and rates[-1] <= expected[1] * 1.001
    if schedule == "step":
        assert rates[49:51] + rates[74:76] == pytest.approx([0.5, 0.05, 0.05, 0.005])


def test_only_matrices_decay():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    for name in c.OPTIMIZERS:
        decayed, plain = setup.build_optimizer(config(optimizer=name, weight_decay=0.1), model).param_groups
        assert [p.ndim for p in decayed["params"]] == [4, 2] and decayed["weight_decay"] == 0.1
        assert [p.ndim for p in plain["params"]] == [1, 1, 1, 1] and plain["weight_decay"] == 0.0


def test_only_what_is_learned_is_moved_and_vectors_at_a_rate_of_their_own():
    model = ta.models.create("whitened_vgg8", 3, 10, 16)
    matrices, vectors = setup.build_optimizer(config(optimizer="sgd", lr=0.5, bias_lr=8.0, momentum=0.7), model).param_groups
    assert [p.ndim for p in matrices["params"]] == [4] * 6 + [2] and [p.ndim for p in vectors["params"]] == [1] * 6
    assert (matrices["lr"], vectors["lr"], vectors["momentum"]) == (0.5, 4.0, 0.7)
    for schedule in c.SCHEDULES:                        # all of them keep the ratio
        made = config(optimizer="sgd", lr=0.5, bias_lr=8.0, schedule=schedule)
        optimizer = setup.build_optimizer(made, model)
        moves = setup.build_schedule(made, optimizer, 10)
        for _ in range(9):
            assert optimizer.param_groups[1]["lr"] == pytest.approx(8 * optimizer.param_groups[0]["lr"], rel=1e-6)
            if moves is not None:
                moves.step()


def test_augmentations_keep_shape_and_normalise():
    from tinyattn.data import Rng
    images = np.random.default_rng(0).integers(0, 256, (8, 3, 32, 32), dtype=np.uint8)
    for name in c.AUGMENTATIONS:
        out = setup.augmentation(name, 32, (0.5,) * 3, (0.25,) * 3)(images, Rng(0, 0, np.arange(8)))
        assert out.shape == images.shape and out.dtype == np.float32
    np.testing.assert_allclose(setup.augmentation("none", 32, (0.5,) * 3, (0.25,) * 3)(images, Rng(0, 0, np.arange(8))),
                               (images / 255 - 0.5) / 0.25, atol=1e-5)


def test_evaluation_counts_every_example_once_and_keeps_the_mode():
    part = setup.load_part(config(limit_test=70), "test")
    ta.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, len(part.classes)))
    answers = training.evaluate(model, part, batch_size=32)
    x = (part.images.reshape(70, -1) / 255 - part.mean[0]) / part.std[0]
    logits = x @ model[1].weight.data.T.astype(np.float64) + model[1].bias.data
    logits -= logits.max(axis=1, keepdims=True)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_array_equal(answers.predicted, probabilities.argmax(axis=1))
    np.testing.assert_allclose(answers.probability, probabilities.max(axis=1), rtol=1e-4)
    assert math.isclose(answers.loss, -np.log(probabilities[np.arange(70), part.labels]).mean(), rel_tol=1e-5)
    assert answers.accuracy == (answers.predicted == part.labels).mean() and model.training


def test_answers_to_an_image_and_its_mirror_image():
    part = setup.load_part(config(limit_test=40), "test")
    ta.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, len(part.classes)))
    mirrored = setup.Part(part)
    mirrored.images = np.ascontiguousarray(part.images[..., ::-1])
    one, other = ([model(images).data for images, _ in setup.test_loader(p)][0] for p in (part, mirrored))
    for views, expected in (("none", one), ("flip", (one + other) / 2)):
        answers = training.evaluate(model, part, test_augment=views)
        np.testing.assert_array_equal(answers.predicted, expected.argmax(1))
        assert math.isclose(answers.loss, F.cross_entropy(ta.tensor(expected), ta.tensor(part.labels)).item(), rel_tol=1e-5)
    assert (one.argmax(1) != other.argmax(1)).any()


def test_views_of_an_image():
    from tinyattn.training.evaluate import views
    image = np.arange(1, 26, dtype=np.float32).reshape(1, 5, 5, 1).transpose(0, 3, 1, 2)
    for name in c.TEST_AUGMENTATIONS:
        shown = views(image, name)
        assert sum(weight for weight, _ in shown) == 1 and len(shown) == {"none": 1, "flip": 2, "flip-translate": 6}[name]
        assert all(view.shape == image.shape for _, view in shown)
        np.testing.assert_array_equal(shown[0][1], image)
    (_, flipped), (_, down), (_, up) = shown[1], shown[2], shown[4]
    np.testing.assert_array_equal(flipped, image[..., ::-1])
    np.testing.assert_array_equal(down[0, 0, 1:, 1:], image[0, 0, :-1, :-1])
    np.testing.assert_array_equal(up[0, 0, :-1, :-1], image[0, 0, 1:, 1:])
    np.testing.assert_array_equal(down[0, 0, 0], image[0, 0, 1, [1, 0, 1, 2, 3]])           # the edge mirrored
    np.testing.assert_array_equal(shown[3][1], down[..., ::-1])


def test_a_whitened_first_layer_is_prepared_and_its_time_counted(tmp_path):
    made = config(model="whitened_vgg4", attention="none")
    run = loop.Run(made, setup.load_data(made), tmp_path, Silent())
    before = run.model.whiten.weight.data.copy()
    run.prepare()
    assert run.train_seconds > 0 and (run.model.whiten.weight.data != before).all()
    x = next(iter(setup.test_loader(run.data.train)))[0]
    y = run.model.whiten(x).data.transpose(1, 0, 2, 3).reshape(16, -1)[:8].astype(np.float64)
    second = y @ y.T / y.shape[1]
    assert np.abs(second - np.diag(np.diag(second))).max() < 0.2 and 0.5 < np.diag(second)[0] < 1.5


class Silent(training.Progress):
    def __init__(self):
        super().__init__(quiet=True)


def test_saving_by_the_clock(tmp_path, monkeypatch):
    """With 0 s between saves every step would save; a save that takes long is repeated a hundred times as seldom."""
    made = config(epochs=1, checkpoint_seconds=0.0)
    run = loop.Run(made, setup.load_data(made), tmp_path, Silent())
    run._save_cost, run._saved_at = 0.0, 0.0
    assert run._save_is_due()
    run._save_cost, now = 2.0, [1000.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
    run._saved_at = 1000.0
    now[0] = 1199.0
    assert not run._save_is_due()
    now[0] = 1200.0
    assert run._save_is_due()


def test_a_step_is_the_textbook_one(tmp_path):
    """One step of the loop moves the weights exactly as the few lines a tutorial would show."""
    made = config(optimizer="sgd", lr=0.1, schedule="constant", average=0.0, label_smoothing=0.1, model="lenet")
    run = loop.Run(made, setup.load_data(made), tmp_path, Silent())
    ta.manual_seed(made.seed)
    model = ta.models.create("lenet", in_channels=1, num_classes=len(run.data.train.classes), image_size=28)
    images, labels = next(iter(setup.train_loader(made, run.data.train)))
    optimizer = setup.build_optimizer(made, model)
    loss = F.cross_entropy(model(images), labels, label_smoothing=0.1)
    loss.backward()
    optimizer.step()
    run._step(images, labels)
    ((value, correct, *_),) = run._results.read()
    assert value == loss.item() and 0 <= correct <= 32 and run.step == 1
    for mine, theirs in zip(run.model.parameters(), model.parameters()):
        np.testing.assert_array_equal(mine.data, theirs.data)


def test_the_library_call_in_a_script(tmp_path):
    result = training.train(out=tmp_path / "run", quiet=True, data="glyphs", model="lenet", limit_train=64,
                            limit_test=32, batch_size=32, epochs=1)
    trained = training.open_run(tmp_path / "run")
    assert result["model"] == "lenet" and not trained.model.training
    assert training.evaluate(trained.model, setup.load_part(trained.config, "test")).accuracy == result["test_accuracy"]
