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
IMAGES_CHUNK = 2_000  # images that are worked on at a time, so that memory does not grow with their number


def read_header(head: bytes) -> tuple[int, ...]:
    """Return the shape that a file's first 16 bytes announce; nothing is allocated from what they say.

    Raises:
        RunError: they are too few, announce a dimension of nothing, or other than images or labels of unsigned bytes.
    """
    if len(head) < 8:
        raise RunError(f"it is not IDX: {len(head)} bytes are too few for a header")
    (magic,) = struct.unpack(">I", head[:4])
    if magic not in (IMAGES, LABELS):
        raise RunError(f"it is not IDX of bytes: it begins with 0x{magic:08x}, not 0x{IMAGES:08x} or 0x{LABELS:08x}")
    dimensions = magic % 256
    end = 4 + 4 * dimensions
    if len(head) < end:
        raise RunError(f"it is not IDX: {len(head)} bytes are too few for a header")
    shape = struct.unpack(f">{dimensions}I", head[4:end])
    if 0 in shape:
        raise RunError(f"it is empty: its header announces {shape}")
    return shape


def check_length(shape: tuple[int, ...], length: int) -> None:
    """Raise RunError unless a file of this shape, header and all, has this length."""
    announced = 4 + 4 * len(shape) + math.prod(shape)
    if announced != length:
        raise RunError(f"it is damaged: its header announces {announced:,} bytes {shape}, it has {length:,}")


def read_idx(path: Path) -> np.ndarray:
    """Map an IDX file into memory: images (n, height, width) or labels (n,), uint8.

    Raises:
        RunError: as `read_header` and `check_length`.
    """
    with path.open("rb") as file:
        head = file.read(16)
    try:
        shape = read_header(head)
        check_length(shape, path.stat().st_size)
    except RunError as error:
        raise RunError(f"{path}: {error}") from error
    return np.memmap(path, np.uint8, "r", 4 + 4 * len(shape), shape).view(np.ndarray)
