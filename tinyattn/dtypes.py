"""PyTorch's names of dtypes, so that ``ta.float32`` and ``ta.long`` can be written; they are NumPy's dtypes."""
import numpy as np

float32 = float = np.dtype(np.float32)
float64 = double = np.dtype(np.float64)
uint8, int8, int16, int32, int64 = map(np.dtype, (np.uint8, np.int8, np.int16, np.int32, np.int64))
short, int, long, bool = int16, int32, int64, np.dtype(np.bool_)
