"""Every kernel in `numba.cuda`: the GPU's rung. Importing it needs no GPU; without one, ``TINYATTN_CUDA=simulator`` runs it in Python."""
from .additive import *  # noqa: F401,F403
from .array import *  # noqa: F401,F403
from .array import write  # noqa: F401
from .attention import *  # noqa: F401,F403
from .conv import *  # noqa: F401,F403
from .dlpack import from_dlpack  # noqa: F401
from .elementwise import *  # noqa: F401,F403
from .energy import *  # noqa: F401,F403
from .errors import *  # noqa: F401,F403
from .gates import *  # noqa: F401,F403
from .group_norm import *  # noqa: F401,F403
from .index import *  # noqa: F401,F403
from .loss import *  # noqa: F401,F403
from .matmul import *  # noqa: F401,F403
from .norm import *  # noqa: F401,F403
from .optimizer import *  # noqa: F401,F403
from .pool import *  # noqa: F401,F403
from .pool_tiles import *  # noqa: F401,F403
from .random import *  # noqa: F401,F403
from .recurrent import *  # noqa: F401,F403
from .reduce import *  # noqa: F401,F403
from .resample import *  # noqa: F401,F403
from .runtime import check_available, is_available  # noqa: F401
from .runtime import check_available, is_available, synchronize  # noqa: F401
from .sample import *  # noqa: F401,F403
from .softmax import *  # noqa: F401,F403
from .sort import *  # noqa: F401,F403
from .token_pool import *  # noqa: F401,F403
from .weighted_sum import *  # noqa: F401,F403
