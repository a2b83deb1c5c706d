import pytest

from tasks.pipeline.errors import UserError
from tasks.serving.exporting import export
from tests import silent


def test_a_folder_that_exists_is_left_alone(selected, tmp_path):
    (tmp_path / selected.name).mkdir()
    with pytest.raises(UserError, match="exists; delete it, or choose another folder with --output$"):
        export(selected, tmp_path, [], silent)
    assert [*tmp_path.rglob("*")] == [tmp_path / selected.name]
