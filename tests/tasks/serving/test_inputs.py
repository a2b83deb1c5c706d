import gzip
import io
import struct
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tasks.pipeline.errors import UserError
from tasks.serving.inputs import check_name, files_in, read_images


@pytest.fixture
def of(tmp_path, downloaded, data_set, ranges):
    """Read what is in a file of that content, or what a name stands for."""
    selected = SimpleNamespace(download=downloaded, data_set=data_set)

    def read(content):
        if isinstance(content, bytes):
            (path := tmp_path / "given").write_bytes(content)
            content = str(path)
        return list(read_images(content, selected, ranges))

    return read


def array(values, **how):
    file = io.BytesIO()
    np.save(file, values, **how)
    return file.getvalue()


def idx(images):
    return struct.pack(">IIII", 0x803, *images.shape) + images.tobytes()


def picture(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def test_images_are_read_from_every_kind_of_file_whatever_it_is_called(of, test_images):
    three = test_images[:3]
    as_float = three.astype(np.float32)
    contents = (
        *(
            array(three),
            array(three[..., np.newaxis]),
            array(as_float),
            array(as_float / 255),
            array(three.astype(int)),
        ),
        *(idx(three), gzip.compress(idx(three)), gzip.compress(array(three))),
    )
    for content in contents:
        found = of(content)
        assert [image.name.rpartition("/")[2] for image in found] == ["given[0]", "given[1]", "given[2]"]
        assert all((image.gray == given).all() for image, given in zip(found, three, strict=True))
        assert {image.pixels.dtype for image in found} == {np.dtype(np.float32)}
    for content in (array(three[0]), picture(three[0]), gzip.compress(picture(three[0])), idx(three[:1])):
        assert [image.name.rpartition("/")[2] for image in of(content)] == ["given"]


def test_images_of_the_data_set_have_their_label_and_are_as_the_networks_were_given_them(of, test_images, selected):
    (image,) = of("test:88")
    assert (image.gray == test_images[88]).all()
    assert image.label is not None
    assert image.done == ()
    position = np.load(selected.prepare.folder / "test_indices.npy").tolist().index(88)
    assert (image.pixels == np.load(selected.prepare.folder / "test_images.npy")[position, ..., 0]).all()
    assert of("train:3")[0].done == ("a training image, which the network may have learned from",)


def test_standard_input_is_read_as_a_file_is(of, test_images, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(picture(test_images[0]))))
    (image,) = of("-")
    assert image.name == "standard input"
    assert (image.gray == test_images[0]).all()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            array(np.array([{}], dtype=object), allow_pickle=True),
            "holds objects, which are never loaded; give a .npy",
        ),
        (array(np.zeros((2, 32, 32))), r"has the shape \(2, 32, 32\); an array of images must have \(n, 28, 28\)"),
        (array(np.zeros((0, 28, 28))), "given has no images$"),
        (array(np.float32(1)), r"has the shape \(\)"),
        (array(np.full((28, 28), np.nan)), "must hold numbers from 0 to 255, or from 0 to 1"),
        (array(np.full((28, 28), -1)), "must hold numbers from 0 to 255"),
        (array(np.full((28, 28), 256)), "must hold numbers from 0 to 255"),
        (array(np.full((28, 28), "a")), "must hold numbers from 0 to 255"),
        (array(np.zeros((2, 28, 28)))[:500], "is damaged; give a .npy file of numbers"),
        (array(np.zeros((28, 28))).replace(b"(28, 28)", b"(-1, 28)"), "is damaged; give a .npy file of numbers"),
        (array(np.zeros((28, 28))).replace(b"{", b"("), "is damaged; give a .npy file of numbers"),
        (idx(np.zeros((2, 40, 40), np.uint8)), r"has the shape \(2, 40, 40\)"),
        (idx(np.zeros((2, 28, 28), np.uint8))[:-1], "is damaged, or has no images: its header does not fit its length"),
        (gzip.compress(idx(np.zeros((2, 28, 28), np.uint8)), mtime=0)[:40], "is damaged: it cannot be decompressed$"),
        (b"GIF89a", "is not PNG, JPEG, WebP, BMP, .npy or IDX images: it begins with b'GIF89a'"),
        (struct.pack(">II", 0x801, 3) + b"abc", "is not PNG, JPEG, WebP, BMP, .npy or IDX images: it holds labels"),
        (b"", "is not PNG, JPEG, WebP, BMP, .npy or IDX images: it is empty"),
        ("test:200", "the images of the test file are 0 to 199"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(of, content, sentence):
    with pytest.raises(UserError, match=sentence):
        of(content)


def test_a_name_that_stands_for_nothing_is_refused_before_anything_is_loaded(tmp_path):
    with pytest.raises(UserError, match="photo.png: no such file$"):
        check_name(str(tmp_path / "photo.png"))
    with pytest.raises(UserError, match="^test:x: no such file; test:N is image N of the test set$"):
        check_name("test:x")


def test_of_a_folder_the_files_that_have_images_are_read_by_name_and_the_others_are_named(tmp_path, test_images):
    contents = {
        "b.png": picture(test_images[0]),
        "a.npy": array(test_images[:2]),
        "notes.txt": b"hello",
        ".hidden": b"",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    known, others = files_in(tmp_path)
    assert [path.name for path in known] == ["a.npy", "b.png"]
    assert [path.name for path in others] == ["notes.txt"]
    with pytest.raises(UserError, match="folder has no images; give a folder of PNG, JPEG, WebP, BMP, .npy or IDX"):
        files_in(tmp_path / "folder")
