"""The CPU rung: the functions of `reference`, compiled with Numba for all cores. Nothing compiles until it is called."""
from .array import *
from .elementwise import *
from .reduce import *
from .random import *
from .index import *
from .sort import *
from .optimizer import *
from .conv import *  # noqa: F401,F403
from .matmul import *  # noqa: F401,F403
from .pool import *  # noqa: F401,F403
from .norm import *  # noqa: F401,F403
from .group_norm import *  # noqa: F401,F403
from .pool_tiles import *  # noqa: F401,F403
from .softmax import *  # noqa: F401,F403
from .loss import *  # noqa: F401,F403
from .attention import *  # noqa: F401,F403
from .plain_attention import *  # noqa: F401,F403
from .token_pool import *  # noqa: F401,F403
from .additive import *  # noqa: F401,F403
from .weighted_sum import *  # noqa: F401,F403
from .gates import *  # noqa: F401,F403
from .energy import *  # noqa: F401,F403
from .resample import *  # noqa: F401,F403
from .recurrent import *  # noqa: F401,F403
from .sample import *  # noqa: F401,F403
