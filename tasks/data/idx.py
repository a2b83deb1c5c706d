"""Reading the IDX format: a magic number, the size of each dimension, then the bytes.

Big-endian; 0x00000803 announces images (count, height, width), 0x00000801 labels (count), both of unsigned bytes.
Source of the format: http://yann.lecun.com/exdb/mnist/.
"""

import math
from pathlib import Path

import numpy as np

from tasks.pipeline.errors import RunError

IMAGES, LABELS = 0x00000803, 0x00000801


def read_idx(path: Path) -> np.ndarray:
    """Map an IDX file into memory: images (n, height, width) or labels (n,), uint8.

    Raises:
        RunError: its header is not one of images or labels that fill the file; nothing is allocated from what it says.
    """
    with path.open("rb") as file:
        head = file.read(16)
    end, length = {IMAGES: 16, LABELS: 8}.get(int.from_bytes(head[:4]), 4), path.stat().st_size
    shape = tuple(int.from_bytes(head[place : place + 4]) for place in range(4, end, 4))
    if 0 in (shape or [0]) or end + math.prod(shape) != length:
        raise RunError(
            f"{path} is not IDX of images or labels: it begins with 0x{head.hex()}, and has {length:,} bytes"
        )
    return np.memmap(path, np.uint8, "r", end, shape).view(np.ndarray)
