"""``tinyattn bench --device cuda``: kernels, launches and training steps on a GPU, beside PyTorch's on the same one."""
from .report import main  # noqa: F401
