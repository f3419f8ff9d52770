"""TinyAttn: convolution and attention from scratch, readable line by line and fast enough to train with."""
import importlib.util
import pathlib
import sys


def _open_kernels_of_a_checkout():
    """Make ``import tinyattn.kernels`` find the ``kernels/`` that stands beside this folder in a checkout.

    Installed, it is an ordinary subpackage. In a checkout it stands at the top, because it is half of what people come
    to read, and the folder ``./tinyattn`` would hide the installed one.
    """
    here = pathlib.Path(__file__).resolve().parent
    beside = here.parent / "kernels" / "__init__.py"
    if (here / "kernels").is_dir() or not beside.is_file():
        return
    spec = importlib.util.spec_from_file_location(
        "tinyattn.kernels", beside, submodule_search_locations=[str(beside.parent)])
    module = importlib.util.module_from_spec(spec)
    sys.modules["tinyattn.kernels"] = module
    spec.loader.exec_module(module)
    globals()["kernels"] = module


_open_kernels_of_a_checkout()
