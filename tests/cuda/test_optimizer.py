"""What the replayed calls of the optimizers do not show: rates from the host, graphs, tables that serve again, and arrays with gaps."""
import numpy as np
import pytest

from tinyattn import kernels
from tinyattn.kernels import cuda
from tinyattn.kernels.cuda import lists, runtime

pytestmark = pytest.mark.skipif(not runtime.SIMULATED, reason="needs the simulator")
SHAPES = (3, 4), (1100,)


def adam(rung, arrays, lr, step):
    rung.adam_step(*arrays, lr, step, 0.9, 0.999, 1e-8, 0.1, True)


@pytest.fixture
def host():
    random = np.random.default_rng(0)
    return [[abs(random.normal(size=s)).astype(np.float32) for s in SHAPES] for _ in range(4)]


def there(host):
    return [[cuda.from_host(x) for x in one] for one in host]


def check(device, host):
    for got, expected in zip(sum(device, []), sum(host, [])):
        assert np.allclose(cuda.to_host(got), expected, rtol=1e-5, atol=1e-6)


def test_rate_and_count_may_lie_on_the_host_or_on_the_device(host):
    lr, step = np.array([0.1], np.float32), np.array([3])
    on_host, on_device = there(host), there(host)
    adam(cuda, on_host, lr, step)
    adam(cuda, on_device, cuda.from_host(lr), cuda.from_host(step))
    adam(kernels.rung("reference"), host, lr, step)
    check(on_host, host)
    check(on_device, host)


def test_a_replayed_graph_takes_the_rate_and_count_that_are_there(host):
    device, lr, step = there(host), cuda.from_host(np.array([0.1], np.float32)), cuda.from_host(np.array([1]))
    graph = runtime.Graph()
    with graph.capture():
        adam(cuda, device, lr, step)
    for t, rate in (1, 0.1), (2, 0.05), (3, 0.2):
        cuda.fill(lr, rate), cuda.fill(step, t)
        lists._tables.clear()
        cuda.full(20_000, 7, np.int64)  # what memory the graph does not keep is used by others
        graph.replay()
        adam(kernels.rung("reference"), host, np.array([rate], np.float32), np.array([t]))
    check(device, host)


def launches_of(function):
    """Names of the kernels that are launched by ``function()``, with how often."""
    graph, names = runtime.launch, []
    lists.launch = lambda kernel, *rest: (names.append(kernel.key[1]), graph(kernel, *rest))
    try:
        function()
    finally:
        lists.launch = graph
    return names


def test_a_table_serves_as_long_as_arrays_lie_where_they_lay(host):
    lists._tables.clear()
    device, lr, step = there(host), np.array([0.1], np.float32), np.array([1])
    assert launches_of(lambda: adam(cuda, device, lr, step)) == ["_write", "_step"]
    assert launches_of(lambda: adam(cuda, device, lr, step)) == ["_step"]
    device[1][0] = cuda.from_host(host[1][0])
    assert launches_of(lambda: adam(cuda, device, lr, step)) == ["_write", "_step"]
    kept = []
    for _ in range(lists.KEPT + 2):
        kept.append(cuda.from_host(host[1][0]))
        cuda.lerp_step([kept[-1]], [device[0][0]], 0.5)
    assert len(lists._tables) == lists.KEPT


def test_arrays_with_gaps_are_moved_in_place(host):
    device = there(host)
    turned = [cuda.copy(one[0].T).T for one in device]
    assert not turned[0].is_contiguous()
    adam(cuda, [[x] for x in turned], np.array([0.1], np.float32), np.array([1]))
    first = [[one[0]] for one in host]
    adam(kernels.rung("reference"), first, np.array([0.1], np.float32), np.array([1]))
    check([[x] for x in turned], first)


def test_lists_of_different_lengths_are_refused(host):
    device = there(host)
    with pytest.raises(ValueError):
        adam(cuda, [device[0], device[1][:1], *device[2:]], np.array([0.1], np.float32), np.array([1]))
