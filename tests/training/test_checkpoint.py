"""A checkpoint gives back the tree it was given, and nothing that is not whole is taken for one."""
import json

import numpy as np
import pytest
import safetensors.numpy

from tinyattn.training import checkpoint


def tree():
    return {
        "model": {"w": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2), "n": np.array(7, np.int64)},
        "optimizer": {"state": {0: {"m": np.ones(3)}, 11: {"m": np.zeros((0, 2))}},
                      "param_groups": [{"lr": 0.1 + 0.2, "betas": (0.9, 0.999), "params": [0, 11], "nesterov": False}]},
        "nothing": None, "words": "Größe", "log": [{"loss": float("nan")}, {"loss": 1e-310}], "yes": True,
    }


def test_a_tree_comes_back(tmp_path):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, tree())
    back = checkpoint.load(path)
    (group,) = back["optimizer"]["param_groups"]
    assert group == {"lr": 0.1 + 0.2, "betas": [0.9, 0.999], "params": [0, 11], "nesterov": False}
    assert list(back["optimizer"]["state"]) == [0, 11]  # the keys are integers again
    assert back["model"]["n"].shape == () and back["model"]["n"] == 7
    np.testing.assert_array_equal(back["model"]["w"], tree()["model"]["w"])
    assert back["optimizer"]["state"][11]["m"].shape == (0, 2)
    assert back["nothing"] is None and back["words"] == "Größe" and back["yes"] is True
    assert np.isnan(back["log"][0]["loss"]) and back["log"][1]["loss"] == 1e-310


def test_memory_order_does_not_matter(tmp_path):
    logical = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    channels_last = np.ascontiguousarray(logical.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert not channels_last.flags.c_contiguous
    checkpoint.save(tmp_path / "c.safetensors", {"a": channels_last})
    np.testing.assert_array_equal(checkpoint.load(tmp_path / "c.safetensors")["a"], logical)
    np.testing.assert_array_equal(safetensors.numpy.load_file(tmp_path / "c.safetensors")["a"], logical)


def test_the_tree_is_copied_when_it_is_flattened():
    array = np.zeros(3)
    arrays, _ = checkpoint.flatten({"a": array})
    array += 1
    assert arrays["a"].sum() == 0


def test_only_plain_values_are_held():
    with pytest.raises(TypeError, match="set.*a/b/0"):
        checkpoint.flatten({"a": {"b": [{1, 2}]}})


@pytest.mark.parametrize("keep", [0, 5, 100, 0.5, -1])
def test_a_file_cut_short_is_refused(tmp_path, keep):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, tree())
    whole = path.read_bytes()
    path.write_bytes(whole[:int(len(whole) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(checkpoint.CheckpointError, match="damaged or cut short"):
        checkpoint.load(path)


def test_a_changed_byte_is_noticed(tmp_path):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, tree())
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(checkpoint.CheckpointError, match="checksum"):
        checkpoint.load(path)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(checkpoint.CheckpointError, match="does not exist"):
        checkpoint.load(tmp_path / "none.safetensors")
    safetensors.numpy.save_file({"a": np.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(checkpoint.CheckpointError, match="another program"):
        checkpoint.load(tmp_path / "other.safetensors")
    checkpoint.save(tmp_path / "model.safetensors", {}, checkpoint.MODEL_FORMAT)
    with pytest.raises(checkpoint.CheckpointError, match="is tinyattn-model-1, expected tinyattn-checkpoint-1"):
        checkpoint.load(tmp_path / "model.safetensors")


def test_nothing_in_it_is_pickled(tmp_path):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, tree())
    with safetensors.safe_open(str(path), framework="numpy") as file:
        json.loads(file.metadata()["state"])
        assert set(file.keys()) == {"model/w", "model/n", "optimizer/state/0/m", "optimizer/state/11/m"}


def test_a_model_file_has_the_names_of_the_state_dict(tmp_path):
    """As other programs look for them; and files with a path before each name, as they were written at first, are read as well."""
    for bare, names in (("model", {"w", "n", "optimizer/state/0/m", "optimizer/state/11/m"}), (None, {"model/w", "model/n"})):
        path = tmp_path / f"{bare}.safetensors"
        checkpoint.save(path, tree(), checkpoint.MODEL_FORMAT, bare=bare)
        assert set(safetensors.numpy.load_file(path)) >= names
        np.testing.assert_array_equal(checkpoint.load(path, checkpoint.MODEL_FORMAT)["model"]["w"], tree()["model"]["w"])


class Model:
    def __init__(self, **shapes):
        self.weights = {name: np.zeros(shape) for name, shape in shapes.items()}

    def state_dict(self):
        return self.weights

    def load_state_dict(self, weights):
        self.weights = weights


def test_weights_of_another_model_are_explained():
    model = Model(a=(2, 3), b=(4,), c=(5,))
    checkpoint.load_weights(model, {"a": np.ones((2, 3)), "b": np.ones(4), "c": np.ones(5)}, "x")
    assert model.weights["a"].sum() == 6
    words = r"in x do not fit Model \(missing: b; unknown: d; other shape: a \(3, 2\) instead of \(2, 3\)\)"
    with pytest.raises(checkpoint.CheckpointError, match=words):
        checkpoint.load_weights(model, {"a": np.ones((3, 2)), "c": np.ones(5), "d": np.ones(1)}, "x")
