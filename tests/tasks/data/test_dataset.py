import json

import pytest

from tasks.data.dataset import load_data_set
from tasks.pipeline.errors import UserError
from tests.programs import SPECIFICATION


def written(folder, change):
    content = json.loads(SPECIFICATION.read_text())
    change(content)
    path = folder / "dataset.json"
    path.write_text(json.dumps(content))
    return str(path)


def test_what_is_no_specification_is_refused(tmp_path):
    with pytest.raises(
        UserError, match="^--dataset must be fashion-mnist or a JSON file .got fashion_mnist: no such file"
    ):
        load_data_set("fashion_mnist")
    with pytest.raises(UserError, match="^--dataset must be fashion-mnist or a JSON file .got .*: is a directory"):
        load_data_set(str(tmp_path))
    path = tmp_path / "dataset.json"
    path.write_text("name: shapes")
    with pytest.raises(UserError, match=f"^--dataset {path}: the file: Invalid JSON"):
        load_data_set(str(path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content["class_names"].pop(), "class_names: Tuple should have at least 10 items"),
        (
            lambda content: content.update(name="fashion-mnist"),
            "name: fashion-mnist is built in; give yours another name",
        ),
        (lambda content: content["files"].pop("train_labels"), "counts or files lack train_labels"),
        (lambda content: content["counts"].pop("test"), "counts or files lack test"),
        (
            lambda content: content["files"]["test_images"].update(name=content["files"]["train_images"]["name"]),
            "file names must be unique",
        ),
        (
            lambda content: content["files"]["train_images"].update(name="../../images"),
            "files.train_images.name: String should match pattern",
        ),
        (
            lambda content: content["class_names"].__setitem__(3, "Coat "),
            "class names must be unique .got 'Coat' twice",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_specification_with_a_fault_names_the_field(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        load_data_set(written(tmp_path, change))
