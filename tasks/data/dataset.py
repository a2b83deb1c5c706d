"""What is true of the data set: its files with their digests, where they can be had, its class names.

Source: Zalando Research, https://github.com/zalandoresearch/fashion-mnist (MIT license). Mirrors compress the files
differently, so a file is known by the SHA-256 of its decompressed bytes.
"""

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from tasks.pipeline.errors import UserError, reason

UNKNOWN = "unknown"
PLAIN_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"  # no folder, nothing hidden


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class DataFile(BaseModel):
    """One IDX file of a data set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=PLAIN_NAME)
    bytes: int
    # of its decompressed bytes, or "unknown": then those of the file that is there are taken
    sha256: Annotated[str, StringConstraints(pattern=f"^({UNKNOWN}|[0-9A-Fa-f]{{64}})$", to_lower=True)]


class Expectations(BaseModel):
    """What is expected of the images, besides shape and classes; by default, what Fashion-MNIST's are like."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    background: int = Field(0, ge=0, le=255)  # the darkest pixel of an image is at most so bright
    brightest: int = Field(250, ge=0, le=255)  # the brightest pixel of a split is at least so bright
    shared: bool = False  # a test image may be a training image too


class DataSet(BaseModel):
    """An image data set in four IDX files, and where it can be had."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=PLAIN_NAME)  # names a folder
    class_names: tuple[Name, ...] = Field(min_length=10, max_length=10)  # the networks give ten probabilities
    counts: dict[str, int]  # images in "train" and in "test"
    files: dict[str, DataFile]  # by "train_images", "train_labels", "test_images", "test_labels"
    expectations: Expectations = Expectations()
    # Where it can be had says nothing about what it is:
    mirrors: tuple[Annotated[str, Field(pattern="^https?://")], ...] = Field((), exclude=True)  # + file name + ".gz"
    folders: tuple[Path, ...] = Field((), exclude=True)  # where a system package puts it
    debian_package: str | None = Field(None, exclude=True)
    license: str = UNKNOWN
    link: str | None = Field(None, pattern="^https?://")  # where its authors describe it
    citation: str | None = None
    proven: bool = True  # whether the specification itself names the digests

    @model_validator(mode="after")
    def _whole(self) -> Self:
        roles = {"train_images", "train_labels", "test_images", "test_labels"}
        if missing := ({"train", "test"} - self.counts.keys()) | (roles - self.files.keys()):
            raise ValueError(f"counts or files lack {min(missing)}")
        if len({file.name for file in self.files.values()}) < len(self.files):
            raise ValueError("file names must be unique")
        if twice := [name for name in self.class_names if self.class_names.count(name) > 1]:
            raise ValueError(f"class names must be unique (got {twice[0]!r} twice)")
        return self


FASHION_MNIST = DataSet(
    name="fashion-mnist",
    class_names=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    counts={"train": 60_000, "test": 10_000},
    files={
        "train_images": DataFile(
            name="train-images-idx3-ubyte",
            bytes=47_040_016,
            sha256="c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        "train_labels": DataFile(
            name="train-labels-idx1-ubyte",
            bytes=60_008,
            sha256="bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        "test_images": DataFile(
            name="t10k-images-idx3-ubyte",
            bytes=7_840_016,
            sha256="5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        "test_labels": DataFile(
            name="t10k-labels-idx1-ubyte",
            bytes=10_008,
            sha256="0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    },
    mirrors=(
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    folders=(Path("/usr/share/datasets/fashion-mnist"),),
    debian_package="dataset-fashion-mnist",
    license="MIT, Zalando SE",
    link="https://github.com/zalandoresearch/fashion-mnist",
    citation=(
        "Han Xiao, Kashif Rasul and Roland Vollgraf (2017), Fashion-MNIST: a Novel Image Dataset for Benchmarking "
        "Machine Learning Algorithms, arXiv:1708.07747"
    ),
)


def load_data_set(name_or_path: str) -> DataSet:
    """Return the data set of that name, or the one that a JSON file specifies.

    Raises:
        UserError: it is neither "fashion-mnist" nor a readable specification.
    """
    if name_or_path == FASHION_MNIST.name:
        return FASHION_MNIST
    specification = f"--dataset {name_or_path}"
    try:
        data_set = DataSet.model_validate_json(Path(name_or_path).read_bytes())
    except OSError as error:
        wanted = "must be fashion-mnist or a JSON file"
        raise UserError(f"--dataset {wanted} (got {name_or_path}: {reason(error).lower()})") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{specification}: {where}: {first['msg'].removeprefix('Value error, ')}") from error
    if data_set.name == FASHION_MNIST.name:
        raise UserError(f"{specification}: name: {data_set.name} is built in; give yours another name")
    return data_set
