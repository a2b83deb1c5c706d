"""Inputs: the images that a user names: pictures, arrays, IDX files, folders of them, those of the data set itself."""

from __future__ import annotations

import gzip
import re
import sys
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import numpy as np

from tasks.data.idx import read_idx
from tasks.pipeline.errors import RunError, UserError, reason
from tasks.serving.outliers import Outlier, TrainingRanges
from tasks.serving.pictures import SIZE, fit, read_picture
from tasks.serving.selection import SelectedModel

STANDARD_INPUT = "-"
OF_THE_DATA_SET = r"(train|test):([0-9]+)"
MAX_BYTES = 2 << 30  # of what comes from a pipe or is compressed
CHUNK = 1 << 20  # bytes
GZIP, ARRAY, IDX, LABELS = b"\x1f\x8b", b"\x93NUMPY", b"\0\0\x08\x03", b"\0\0\x08\x01"  # how a file begins
PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"BM")
EXPECTED = "PNG, JPEG, WebP, BMP, .npy or IDX images"


@dataclass(frozen=True)
class GivenImage:
    """An image as a network takes it, and how it came to be so."""

    name: str
    pixels: np.ndarray  # float32 (28, 28), 0 to 1
    done: tuple[str, ...] = ()  # what was done to it
    label: int | None = None  # its class, if that is known
    outliers: tuple[Outlier, ...] = ()  # what was unusual before it was brought to this size

    @property
    def gray(self) -> np.ndarray:
        """Its gray levels, uint8 (28, 28)."""
        return (self.pixels * 255).round().astype(np.uint8)


def files_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the files of a folder that are of a kind that is read, by name, and the others; none of its folders'.

    Raises:
        UserError: none is.
    """
    known: list[Path] = []
    others: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            (known if _head(path).startswith((GZIP, ARRAY, IDX, *PICTURES)) else others).append(path)
    if not known:
        raise UserError(f"{folder} has no images; give a folder of {EXPECTED}")
    return known, others


def check_name(name: str) -> None:
    """Refuse a name of nothing, before a model is loaded.

    Raises:
        UserError: there is no such file; nor is it an image of the data set, or standard input.
    """
    if not name:
        raise UserError("the name of an image is empty")
    if name != STANDARD_INPUT and not re.fullmatch(OF_THE_DATA_SET, name) and not Path(name).exists():
        hint = "; test:N is image N of the test set" if name.startswith(("test:", "train:")) else ""
        raise UserError(f"{name}: no such file{hint}")


def read_images(name: str, selected: SelectedModel, ranges: TrainingRanges) -> Iterator[GivenImage]:
    """Give the images of that name: those of a file, of standard input, or one of the data set.

    Raises:
        UserError: there is no such file or image, or it cannot be used.
    """
    reference = re.fullmatch(OF_THE_DATA_SET, name)
    if reference and not Path(name).exists():
        yield _of_the_data_set(name, reference[1], int(reference[2]), selected)
        return
    shown = "standard input" if name == STANDARD_INPUT else name
    with ExitStack() as stack:
        try:
            yield from _images_in(_plain_file(name, stack), shown, ranges)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UserError(f"{shown} is damaged: it cannot be decompressed") from error
        except OSError as error:
            raise UserError(f"{shown}: {reason(error).lower()}") from error


def _of_the_data_set(name: str, split: str, index: int, selected: SelectedModel) -> GivenImage:
    images, labels = (
        read_idx(selected.download.folder / selected.data_set.files[f"{split}_{what}"].name)
        for what in ("images", "labels")
    )
    if index >= len(images):
        raise UserError(f"{name}: the images of the {split} file are 0 to {len(images) - 1:,}")
    done = ("a training image, which the network may have learned from",) if split == "train" else ()
    return GivenImage(name, images[index].astype(np.float32) / 255, done, int(labels[index]))


def _plain_file(name: str, stack: ExitStack) -> Path:
    """Return where the content is as a plain file: pipes and gzip are copied, for as long as the stack lasts."""
    path = Path(name)
    if name == STANDARD_INPUT:
        if not sys.stdin:
            raise UserError("standard input is closed")
        path = _copied(sys.stdin.buffer, name, stack)
    elif path.is_fifo() or path.is_char_device():
        path = _copied(stack.enter_context(path.open("rb")), name, stack)
    return _copied(stack.enter_context(gzip.open(path)), name, stack) if _head(path).startswith(GZIP) else path


def _copied(stream: BinaryIO | gzip.GzipFile, name: str, stack: ExitStack) -> Path:
    path = Path(stack.enter_context(TemporaryDirectory(prefix="images-")), "copy")
    with path.open("wb") as file:
        while chunk := stream.read(CHUNK):
            if file.tell() > MAX_BYTES:
                raise UserError(f"{name} has more than {MAX_BYTES >> 30} GB; give it in parts")
            file.write(chunk)
    return path


def _images_in(path: Path, name: str, ranges: TrainingRanges) -> Iterator[GivenImage]:
    head = _head(path)
    if head.startswith(PICTURES):
        with path.open("rb") as stream:
            gray, done = read_picture(stream, name)
        fitted = fit(gray, ranges)
        yield GivenImage(name, fitted.image.astype(np.float32) / 255, (*done, *fitted.done), outliers=fitted.outliers)
    elif head.startswith(ARRAY):
        yield from _numbered(name, *_array_in(path, name))
    elif head.startswith(IDX):
        try:
            images = read_idx(path)
        except RunError as error:
            raise UserError(f"{name} is damaged, or has no images: its header does not fit its length") from error
        yield from _numbered(name, _checked(images, name), 255, ())
    else:
        begins = "it holds labels" if head.startswith(LABELS) else f"it begins with {head[:8]!r}"
        raise UserError(f"{name} is not {EXPECTED}: {begins if head else 'it is empty'}")


def _array_in(path: Path, name: str) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """Return the images of a .npy file (n, 28, 28), what their white is, and how they were understood."""
    try:
        with warnings.catch_warnings(action="ignore"):
            images = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # whatever a header that makes no sense leads to
        what = "holds objects, which are never loaded" if "objects in dtype" in str(error) else "is damaged"
        raise UserError(f"{name} {what}; give a .npy file of numbers") from error
    if images.shape[-1:] == (1,):
        images = images[..., 0]
    images = _checked(images[np.newaxis] if images.ndim == 2 else images, name)
    if images.dtype.kind not in "uif" or not 0 <= images.min() <= images.max() <= 255:
        raise UserError(f"{name} must hold numbers from 0 to 255, or from 0 to 1")
    if images.dtype.kind != "f":
        return images, 255, ()
    white = 1 if images.max() <= 1 else 255
    return images, white, (f"values taken as 0 to {white}",)


def _checked(images: np.ndarray, name: str) -> np.ndarray:
    if images.ndim != 3 or images.shape[1:] != (SIZE, SIZE):
        raise UserError(f"{name} has the shape {images.shape}; an array of images must have (n, {SIZE}, {SIZE})")
    if not len(images):
        raise UserError(f"{name} has no images")
    return images


def _numbered(name: str, images: np.ndarray, white: int, done: tuple[str, ...]) -> Iterator[GivenImage]:
    for place, image in enumerate(images):
        one = name if len(images) == 1 else f"{name}[{place}]"
        yield GivenImage(one, image.astype(np.float32) / np.float32(white), done)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(16)
