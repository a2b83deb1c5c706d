"""Reading the IDX format: a magic number, the size of each dimension, then the bytes.

Big-endian; 0x00000803 announces images (count, height, width), 0x00000801 labels (count), both of unsigned bytes.
Source of the format: http://yann.lecun.com/exdb/mnist/.
"""

import math
import struct
from pathlib import Path

import numpy as np

from tasks.pipeline.errors import RunError

IMAGES, LABELS = 0x00000803, 0x00000801
AT_ONCE = 2_000  # images that are worked on at a time, so that memory does not grow with their number


def read_header(path: Path) -> tuple[int, ...]:
    """Return the shape that the header announces, once the file's length agrees with it.

    Nothing is allocated from what the header says.

    Raises:
        RunError: the file is empty, has another magic number, another length, or a dimension of nothing.
    """
    length = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(16)
    if len(head) < 8:
        raise RunError(f"{path} is not IDX: {length} bytes are too few for a header")
    (magic,) = struct.unpack(">I", head[:4])
    if magic not in (IMAGES, LABELS):
        raise RunError(f"{path} is not IDX: it begins with 0x{magic:08x}, not 0x{IMAGES:08x} or 0x{LABELS:08x}")
    dimensions = magic & 0xFF
    header_length = 4 + 4 * dimensions
    if len(head) < header_length:
        raise RunError(f"{path} is not IDX: {length} bytes are too few for a header")
    shape = struct.unpack(f">{dimensions}I", head[4:header_length])
    if 0 in shape:
        raise RunError(f"{path} holds nothing: its header announces {shape}")
    announced = header_length + math.prod(shape)
    if announced != length:
        raise RunError(f"{path} is damaged: its header announces {announced:,} bytes {shape}, it has {length:,}")
    return shape


def read_idx(path: Path) -> np.ndarray:
    """Map an IDX file into memory: images (n, height, width) or labels (n,), uint8.

    Raises:
        RunError: as `read_header`.
    """
    shape = read_header(path)
    return np.memmap(path, np.uint8, "r", 4 + 4 * len(shape), shape).view(np.ndarray)
