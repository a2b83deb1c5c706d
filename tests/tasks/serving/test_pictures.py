import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from tasks.pipeline.errors import UserError
from tasks.serving.outliers import LIT
from tasks.serving.pictures import fit, read_picture


def read(picture, kind="PNG", **how):
    """Return a picture as it is read once it is saved."""
    file = io.BytesIO()
    picture.save(file, kind, **how)
    return read_picture(file, "photo")


def enlarged(image):
    return Image.fromarray(image).resize((280, 280), Image.Resampling.NEAREST)


def off_center(image):
    canvas = Image.new("L", (500, 400))
    canvas.paste(enlarged(image), (200, 20))
    return canvas


def fills_its_height(image):
    """Tell whether trimming and centering leave an image as it is."""
    columns = np.flatnonzero((image > LIT).any(axis=0))
    return min(image[0].max(), image[-1].max()) > LIT and columns[0] + columns[-1] == 27


CHANGES = {
    "enlarged": (enlarged, "resized to"),
    "inverted": (lambda image: ImageOps.invert(enlarged(image)), "inverted"),
    "off-center": (off_center, "trimmed to the object"),
    "white": (lambda image: ImageOps.invert(off_center(image)), "inverted"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_picture_is_brought_to_what_it_was_made_from(change, ranges, test_images):
    make, step = CHANGES[change]
    for image in filter(fills_its_height, test_images):
        found, done, _ = fit(read(make(image))[0], ranges)
        assert np.corrcoef(found.ravel(), image.ravel())[0, 1] > 0.95
        assert step in ", ".join(done)


def test_an_image_of_the_networks_size_that_is_like_the_training_images_is_used_pixel_by_pixel(ranges, test_images):
    like = [image for image in test_images if not ranges.outliers(image[np.newaxis])[0]]
    for image in like:
        found, done, _ = fit(image, ranges)
        assert (found == image).all()
        assert done == ()
        found, done, _ = fit(255 - image, ranges)
        assert (found == image).all()
        assert done == ("inverted",)


def test_a_background_that_is_nearly_even_is_subtracted_and_another_is_kept_and_makes_an_outlier(ranges):
    for lighter, grain, step in (
        (0, 0, "background of gray 30 sub"),
        (40, 4, "background of"),
        (150, 0, "uneven background"),
    ):
        noise = np.random.default_rng(0).normal(0, grain, (600, 800))
        gray = (np.linspace(30, 30 + lighter, 800) + noise).round().astype(np.uint8)
        gray[120:480, 320:480] = 200
        found, (done, *_), outliers = fit(gray, ranges)
        assert done.startswith(step)
        assert [of.what for of in outliers] == (["background's gray level"] if lighter > 100 else [])
        assert outliers or (found[0, 0], found[0, 14] > 100) == (0, True), "the object fills the height"


def test_a_long_or_tiny_or_blank_picture_keeps_its_aspect_and_is_not_refused(ranges):
    for shape in ((40, 3000), (1, 1), (50, 50)):
        assert fit(np.zeros(shape, np.uint8), ranges)[0].shape == (28, 28)


def test_every_kind_of_picture_is_read_as_the_same_gray_levels(test_images):
    image = test_images[0]
    gray = Image.fromarray(image)
    wide = Image.fromarray(image.astype(np.uint16) * 257)
    turned, exif = gray.transpose(Image.Transpose.ROTATE_90), Image.Exif()
    exif[0x112] = 6
    another = Image.fromarray(test_images[1])
    kinds = {
        "": read(gray),
        "made gray": read(gray.convert("RGB")),
        "16 bits reduced to 8": read(wide),
        "turned upright": read(turned, exif=exif),
        "the first of 2 frames": read(gray, save_all=True, append_images=[another]),
    }
    kinds |= {f"{kind} made gray": read(gray.convert("RGB"), kind, lossless=True) for kind in ("WEBP", "BMP")}
    for what, (found, done) in kinds.items():
        assert (found == image).all(), what
        assert ", ".join(done) in what
    found, done = read(gray.convert("CMYK"), "JPEG", quality=100)
    assert np.abs(found.astype(int) - image).mean() < 3
    assert done == ["made gray"]


@pytest.mark.parametrize(("shade", "background"), [(255, "black"), (0, "white")])
def test_a_transparent_picture_is_put_on_what_it_stands_out_from(shade, background):
    solid, opacity = Image.new("L", (60, 60), shade), Image.new("L", (60, 60))
    opacity.paste(255, (20, 10, 40, 50))
    found, done = read(Image.merge("LA", [solid, opacity]))
    assert {found[0, 0], found[30, 30]} == {0, 255}
    assert done[0] == f"transparent, so put on {background}"


def png_of(width, height):
    """Return a PNG that says it is so large, and has hardly any data."""
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0),
        b"IDAT": zlib.compress(b"\0"),
        b"IEND": b"",
    }
    chunks = (
        struct.pack(">I", len(of)) + kind + of + struct.pack(">I", zlib.crc32(kind + of)) for kind, of in parts.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def cut_off(kind, share):
    file = io.BytesIO()
    Image.effect_noise((100, 100), 50).save(file, kind)
    return file.getvalue()[: round(len(file.getvalue()) * share)]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (png_of(30_000, 30_000), r"^photo has 30,000 × 30,000 pixels; a picture may have 1 to 100,000,000$"),
        (png_of(0, 0), "^photo is damaged, or not a PNG, JPEG, WebP or BMP picture$"),
        (cut_off("PNG", 0.5), "^photo is damaged: it is cut off$"),
        (cut_off("JPEG", 0.5), "^photo is damaged: it is cut off$"),
        (cut_off("WEBP", 0.5), "^photo is damaged"),
        (cut_off("BMP", 0.5), "^photo is damaged"),
        (cut_off("PNG", 0.001), "^photo is damaged"),
        (b"GIF89a", "^photo is damaged, or not a PNG"),
    ],
)
def test_a_picture_that_cannot_be_used_is_refused_in_one_sentence(content, sentence):
    with pytest.raises(UserError, match=sentence):
        read_picture(io.BytesIO(content), "photo")
