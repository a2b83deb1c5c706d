"""Pictures: brought to what the networks know, as the makers of Fashion-MNIST brought theirs.

Gray, trimmed to the object, its longer side 28 pixels, in the center, light on black: Xiao, Rasul and Vollgraf (2017),
https://arxiv.org/abs/1708.07747, section 2. See docs/decisions/0022.
"""

from __future__ import annotations

import warnings
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageOps, ImageStat, UnidentifiedImageError
from PIL.ExifTags import Base

from tasks.pipeline.errors import UserError
from tasks.serving.outliers import BACKGROUND, LIT, Outlier, TrainingRanges, border_of

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
SIZE = 28  # pixels on a side
MAX_PIXELS = 100_000_000
COARSE = 280  # pixels on the longer side, to which a larger picture is averaged first: its grain is no object
EVEN = 50  # gray levels of 255 by which a background may vary that is subtracted


def read_picture(stream: BinaryIO, name: str) -> tuple[np.ndarray, list[str]]:
    """Return a picture's gray levels, uint8 (height, width), and what was done to it.

    Raises:
        UserError: it is no picture, larger than 100 million pixels, or damaged.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            Image.MAX_IMAGE_PIXELS = None  # the limit below has a sentence of its own
            picture = Image.open(stream, formats=FORMATS)
            _check_size(picture, name)
            done = [f"the first of {frames} frames"] if (frames := getattr(picture, "n_frames", 1)) > 1 else []
            done += ["turned upright"] if picture.getexif().get(Base.Orientation, 1) in range(2, 9) else []
            return _gray(ImageOps.exif_transpose(picture), done), done
    except UserError:
        raise
    except UnidentifiedImageError as error:
        raise UserError(f"{name} is damaged, or not a PNG, JPEG, WebP or BMP picture") from error
    except (OSError, SyntaxError, ValueError) as error:  # what the readers of the formats raise
        how = ": it is cut off" if "runcated" in str(error) else ""
        raise UserError(f"{name} is damaged{how}") from error


def _check_size(picture: Image.Image, name: str) -> None:
    if not 0 < picture.width * picture.height <= MAX_PIXELS:
        shape = f"{picture.width:,} × {picture.height:,} pixels"
        raise UserError(f"{name} has {shape}; a picture may have 1 to {MAX_PIXELS:,}")


def _gray(picture: Image.Image, done: list[str]) -> np.ndarray:
    if picture.mode.startswith("I"):
        done.append("16 bits reduced to 8")
        return (np.asarray(picture).astype(np.uint32) >> 8).astype(np.uint8)
    if picture.has_transparency_data:
        picture = _on_background(picture.convert("RGBA"), done)
    if picture.mode not in ("L", "1"):
        done.append("made gray")
    return np.asarray((picture.convert("RGB") if picture.mode == "CMYK" else picture).convert("L"))


def _on_background(picture: Image.Image, done: list[str]) -> Image.Image:
    """Return a picture in RGBA on black if what is seen of it is light, else on white: so that it can be seen."""
    opacity = picture.getchannel("A")
    if opacity.getextrema() == (255, 255):
        return picture
    is_light = bool(opacity.getbbox()) and ImageStat.Stat(picture.convert("L"), opacity).mean[0] > 127
    background = "black" if is_light else "white"
    done.append(f"transparent, so put on {background}")
    return Image.alpha_composite(Image.new("RGBA", picture.size, background), picture)


class Fitted(NamedTuple):
    """A picture as a network takes it."""

    image: np.ndarray  # uint8 (28, 28)
    done: tuple[str, ...]  # to the picture
    outliers: tuple[Outlier, ...] = ()  # of the picture itself, which the image may no longer show


def fit(gray: np.ndarray, ranges: TrainingRanges) -> Fitted:
    """Return gray levels, uint8 (height, width), as a network takes them.

    An image of that size that is like the training images is left as it is, but perhaps inverted.
    """
    done, outliers = [], []
    if max(gray.shape) > COARSE:
        gray = _resized(gray, COARSE)
    border = border_of(gray[np.newaxis])[0]
    if np.median(border) > 127:
        gray, border = 255 - gray, 255 - border
        done.append("inverted")
    if gray.shape == (SIZE, SIZE) and not ranges.outliers(gray[np.newaxis])[0]:
        return Fitted(gray, tuple(done))
    low, level, high = np.percentile(border, (5, 50, 95)).round().astype(np.uint8)
    if level > 0 and high - low <= EVEN:
        gray = np.maximum(gray, high) - high
        done.append(f"background of gray {high} subtracted")
    elif unusual := ranges.outlier(BACKGROUND, float(level)):
        outliers.append(unusual)
        done.append(f"uneven background kept (gray {low} to {high})")
    trimmed = _trimmed(gray)
    if trimmed.shape != gray.shape:
        done.append("trimmed to the object")
    resized = _resized(trimmed, SIZE)
    if resized.shape != trimmed.shape:
        done.append("resized to {1} × {0}".format(*resized.shape))
    image = np.zeros((SIZE, SIZE), np.uint8)
    top, left = ((SIZE - length) // 2 for length in resized.shape)
    image[top : top + resized.shape[0], left : left + resized.shape[1]] = resized
    return Fitted(image, (*done, "centered on black"), tuple(outliers))


def _trimmed(gray: np.ndarray) -> np.ndarray:
    """Return the smallest box around all lit pixels; everything, if none is lit."""
    rows, columns = (np.flatnonzero((gray > LIT).any(axis=axis)) for axis in (1, 0))
    return gray[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else gray


def _resized(gray: np.ndarray, longer_side: int) -> np.ndarray:
    """Return it with a longer side of so many pixels, its aspect kept."""
    height, width = (max(1, round(length * longer_side / max(gray.shape))) for length in gray.shape)
    if (height, width) == gray.shape:
        return gray
    return np.asarray(Image.fromarray(gray).resize((width, height), Image.Resampling.LANCZOS))
