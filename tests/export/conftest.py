"""These tests need the packages of the extra "onnx" (``pip install '.[onnx]'``); without them they are skipped."""
import pytest


def pytest_collection_modifyitems(items):
    import importlib.util
    absent = [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    for item in items:
        if absent and item.path.parent.name == "export" and not item.name.startswith("test_without"):
            item.add_marker(pytest.mark.skip(reason=f"needs {' and '.join(absent)}: pip install '.[onnx]'"))
