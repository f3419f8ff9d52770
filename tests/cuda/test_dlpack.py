"""Arrays shared with NumPy and PyTorch without a copy, both ways. On the simulator the device is the CPU, so that it is really done."""
import ctypes
import gc
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyattn.kernels import cuda
from tinyattn.kernels.cuda import dlpack, runtime
from tinyattn.kernels.cuda.memory import POOL

pytestmark = pytest.mark.skipif(not runtime.SIMULATED, reason="needs TINYATTN_CUDA=simulator, which tests/conftest.py sets unless a GPU is asked for")

DTYPES = (np.float32, np.float64, np.float16, np.int64, np.int32, np.int8, np.uint8, np.bool_)


def host(shape, dtype=np.float32):
    return np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)


class Old:
    """An array of a library that knows only DLPack before 1.0."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, stream=None):
        return self.array.__dlpack__(stream=stream)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("wrap", [lambda a: a, Old])
def test_to_numpy_and_back(dtype, wrap):
    x = host((2, 3), dtype)
    d = cuda.from_host(x)
    y = np.from_dlpack(wrap(d))
    assert y.dtype == x.dtype and np.array_equal(y, x) and y.ctypes.data == d.block.memory.ctypes.data
    e = cuda.from_dlpack(wrap(host((2, 3), dtype)))
    assert e.dtype == x.dtype and e.shape == (2, 3) and np.array_equal(cuda.to_host(e), x)


def test_what_one_writes_the_other_reads():
    d = cuda.from_host(host((2, 3)))
    y = np.from_dlpack(d)
    cuda.fill(d, 5)
    assert (y == 5).all()
    x = host((4,))
    e = cuda.from_dlpack(x)
    x[1] = 70
    assert cuda.to_host(e).tolist() == [0, 70, 2, 3]
    cuda.fill(e, 8)
    assert x.tolist() == [8] * 4


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_strides_of_every_kind(data):
    shape = data.draw(st.lists(st.integers(0, 4), max_size=4))
    order = data.draw(st.permutations(range(len(shape))))
    index = tuple(data.draw(st.sampled_from([slice(None), slice(None, None, -1), slice(1, None), slice(None, None, 2)])) for _ in shape)
    x = host(shape, data.draw(st.sampled_from(DTYPES))).transpose(order)[(*index, ...)]
    d = cuda.from_host(host(shape, x.dtype)).transpose(order)[index]
    assert np.array_equal(cuda.to_host(cuda.from_dlpack(x)), x)
    assert np.array_equal(np.from_dlpack(d), cuda.to_host(d))
    assert np.array_equal(cuda.to_host(cuda.from_dlpack(d)), cuda.to_host(d))
    if x.size:
        assert cuda.from_dlpack(d).strides == d.strides


def test_pytorch():
    torch = pytest.importorskip("torch")
    for dtype in (torch.float32, torch.float64, torch.int64, torch.uint8, torch.bool):
        t = torch.arange(6).reshape(2, 3).to(dtype)
        d = cuda.from_dlpack(t.T)
        assert d.shape == (3, 2) and np.array_equal(cuda.to_host(d), t.T.numpy())
        cuda.fill(d, 1)
        assert (t == 1).all()
        u = torch.from_dlpack(d)
        u[0, 0] = 0
        assert t[0, 0] == 0 and u.data_ptr() == t.data_ptr() and u.stride() == (1, 3)
    with pytest.raises(TypeError, match="kind 4 with 16 bits.*convert them to float32"):
        cuda.from_dlpack(torch.zeros(2, dtype=torch.bfloat16))


def test_alignment_is_told_by_the_offset():
    """Kernels look at the offset to know whether they may load four floats at once."""
    x = host((64,))
    for k in range(8):
        d = cuda.from_dlpack(x[k:])
        assert d.offset % 256 == x[k:].ctypes.data % 256


# ---- who keeps the memory ---------------------------------------------------------------------------------------------------

def lent():
    gc.collect()
    return len(dlpack._lent)


@pytest.mark.parametrize("wrap", [lambda a: a, Old])
def test_our_memory_lives_as_long_as_the_other_array(wrap):
    before = lent()
    d = cuda.full((300,), 3, np.float32)
    memory, y = d.block.memory, np.from_dlpack(wrap(d))
    del d
    gc.collect()
    assert lent() == before + 1 and cuda.full((300,), 9, np.float32).block.memory is not memory and (y == 3).all()
    view = y[1:]
    del y
    assert lent() == before + 1 and (view == 3).all()
    del view
    assert lent() == before
    POOL.summary()
    assert any(m is memory for blocks in POOL._idle.values() for m in blocks)


@pytest.mark.parametrize("options", [{}, {"max_version": (1, 0)}, {"max_version": (2, 5)}, {"max_version": (0, 8)}])
def test_a_capsule_that_nobody_took_is_cleared_away(options):
    before = lent()
    given_ = cuda.zeros((3,), np.float32).__dlpack__(**options)
    name = "dltensor_versioned" if options.get("max_version", (0, 0)) >= (1, 0) else "dltensor"
    assert f'"{name}"' in repr(given_) and lent() == before + 1
    del given_
    assert lent() == before


def test_their_memory_lives_as_long_as_our_array():
    class Watched(np.ndarray):
        pass
    import weakref
    x = np.zeros(5, np.float32).view(Watched)
    alive = weakref.ref(x)
    d = cuda.from_dlpack(x)
    view = d[1:3]
    del x, d
    gc.collect()
    assert alive() is not None and cuda.to_host(view).tolist() == [0, 0]
    del view
    gc.collect()
    assert alive() is None


def test_a_capsule_is_used_once():
    class Twice:
        def __init__(self):
            self.capsule = np.zeros(3).__dlpack__()

        def __dlpack__(self, **options):
            return self.capsule

        def __dlpack_device__(self):
            return 1, 0
    twice = Twice()
    cuda.from_dlpack(twice)
    with pytest.raises(BufferError, match="taken already"):
        cuda.from_dlpack(twice)


def test_the_other_array_may_be_the_last_thing_of_a_process():
    code = ("import os; os.environ['TINYATTN_CUDA'] = 'simulator'; import numpy as np; from tinyattn.kernels import cuda\n"
            "import builtins; builtins.kept = np.from_dlpack(cuda.zeros((3,), np.float32)); builtins.mine = cuda.from_dlpack(np.zeros(3))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr


# ---- what is asked for, and what is refused -----------------------------------------------------------------------------------

def test_copies_are_made_when_asked_for():
    d = cuda.from_host(host((3,)))
    y = np.from_dlpack(d, copy=True)
    assert not np.shares_memory(y, np.from_dlpack(d)) and y.tolist() == [0, 1, 2]
    versioned = d.__dlpack__(max_version=(1, 0), copy=True)
    made = dlpack._Versioned.from_address(dlpack._pointer(id(versioned), b"dltensor_versioned"))
    assert made.flags == dlpack.COPIED and (made.major, made.minor) == (1, 0)


def test_read_only_arrays_are_refused():
    x = host((3,))
    x.flags.writeable = False
    with pytest.raises(BufferError, match="read-only.*give a copy"):
        cuda.from_dlpack(x)


def test_things_that_are_no_arrays():
    with pytest.raises(TypeError, match="list has no __dlpack__; expected an array of PyTorch"):
        cuda.from_dlpack([1, 2])
    with pytest.raises(TypeError, match="kind 5"):
        cuda.from_dlpack(np.zeros(2, np.complex64))


def test_simulated_arrays_have_no_streams_and_no_cuda_interface():
    d = cuda.zeros((3,), np.float32)
    with pytest.raises(BufferError, match="the CPU, which has none"):
        d.__dlpack__(stream=1)
    assert not hasattr(d, "__cuda_array_interface__")


# ---- a GPU that is pretended: only what is said about it -----------------------------------------------------------------------

@pytest.fixture
def gpu(monkeypatch):
    waited = []
    monkeypatch.setattr(runtime, "SIMULATED", False)
    monkeypatch.setattr(runtime, "device_id", lambda: 0)
    monkeypatch.setattr(runtime, "address", lambda memory: memory.ctypes.data)
    monkeypatch.setattr(runtime, "check_available", lambda: None)
    monkeypatch.setattr(runtime, "synchronize", lambda: waited.append(1))
    return waited


@pytest.mark.parametrize("stream, waits", [(None, False), (1, False), (2, False), (-1, False), (140_000, True)])
def test_only_a_stream_of_its_own_has_to_be_waited_for(gpu, stream, waits):
    runtime.SIMULATED = True
    d = cuda.zeros((3,), np.float32)
    runtime.SIMULATED = False
    assert d.__dlpack_device__() == (2, 0)
    given_ = d.__dlpack__(stream=stream)
    tensor = dlpack._Managed.from_address(dlpack._pointer(id(given_), b"dltensor")).tensor
    assert (tensor.device_type, tensor.device_id, tensor.code, tensor.bits, tensor.lanes) == (2, 0, 2, 32, 1)
    assert bool(gpu) == waits
    with pytest.raises(ValueError, match="may mean two things"):
        d.__dlpack__(stream=0)
    interface = d[::2].__cuda_array_interface__
    assert interface["shape"] == (2,) and interface["strides"] == (8,) and interface["typestr"] == "<f4" and interface["stream"] == 1
    assert d.__cuda_array_interface__["strides"] is None and interface["data"] == (d.block.memory.ctypes.data, False)
    with pytest.raises(BufferError, match="lives on CUDA device 0 and was asked for on CUDA device 1; copy"):
        d.__dlpack__(dl_device=(2, 1))
    with pytest.raises(BufferError, match="asked for on the CPU without a copy"):
        d.__dlpack__(dl_device=(1, 0), copy=False)


def test_an_array_elsewhere_is_refused(gpu):
    with pytest.raises(BufferError, match="ndarray lives on the CPU, expected one on CUDA device 0; copy it there first, or use kernels.cuda.from_host"):
        cuda.from_dlpack(np.zeros(3))


@pytest.mark.parametrize("view", [lambda x: x, lambda x: x[::-1, 1:], lambda x: x.T])
def test_an_array_interface(view):
    """CUDA's is NumPy's with another name, so that NumPy's memory can stand for a GPU's."""
    x = view(host((3, 4)))
    described = {**x.__array_interface__, "stream": 1}
    d = dlpack.from_interface(described, x)
    assert np.array_equal(cuda.to_host(d), x)
    cuda.fill(d, 2)
    assert (x == 2).all()
    with pytest.raises(BufferError, match="read-only"):
        dlpack.from_interface({**described, "data": (described["data"][0], True)}, x)
    with pytest.raises(TypeError, match="complex64 cannot be shared"):
        dlpack.from_interface({**described, "typestr": "<c8"}, x)


def test_structures_have_the_sizes_of_the_header():
    """On machines with pointers of 8 bytes: dlpack.h, version 1.0."""
    if ctypes.sizeof(ctypes.c_void_p) == 8:
        assert [ctypes.sizeof(s) for s in (dlpack._Tensor, dlpack._Managed, dlpack._Versioned)] == [48, 64, 80]
        assert dlpack._Versioned.tensor.offset == 32 and dlpack._Tensor.byte_offset.offset == 40
