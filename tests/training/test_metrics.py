"""Counts worked out by hand."""
import math

import numpy as np

from tinyattn.training import Meter, confusion, most_confused, per_class


def test_confusion_of_a_case_counted_by_hand():
    matrix = confusion(predicted=[0, 1, 1, 2, 0], labels=[0, 0, 1, 1, 0], classes=3)
    np.testing.assert_array_equal(matrix, [[2, 1, 0], [0, 1, 1], [0, 0, 0]])
    rows = per_class(matrix)
    assert rows[0] == {"precision": 1.0, "recall": 2 / 3, "f1": 0.8, "examples": 3}
    assert rows[1] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "examples": 2}
    assert rows[2]["examples"] == 0 and math.isnan(rows[2]["recall"]) and rows[2]["precision"] == 0.0
    assert most_confused(matrix) == [(0, 1, 1), (1, 2, 1)]


def test_a_meter_weighs_batches_by_their_size():
    meter = Meter()
    assert math.isnan(meter.loss)
    meter.add(1.0, 2, 4)
    meter.add(4.0, 0, 2)
    assert (meter.loss, meter.accuracy, meter.examples) == (2.0, 1 / 3, 6)
    assert Meter(**meter.asdict()) == meter
