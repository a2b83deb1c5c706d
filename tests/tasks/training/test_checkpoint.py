import numpy as np
import pytest

from tasks.pipeline.checkpoints import Checkpoints
from tasks.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

VARIABLES = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7, np.int64), np.array([1, 2], np.uint32)]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints" / "dropout-0123456789abcdef"


def save(folder, *steps):
    for step in steps:
        save_checkpoint(Checkpoints(folder), Checkpoint(step, {"history": [{"loss": 0.1 + step}]}, VARIABLES))


def load(folder):
    """Return the checkpoint, and what is reported of others."""
    refused = []
    return load_checkpoint(Checkpoints(folder), refused.append), refused


def test_a_checkpoint_comes_back_as_it_was(folder):
    assert load(folder) == (None, [])
    save(folder, 9, 10, 12)
    assert [path.name[:9] for path in sorted(folder.iterdir())] == ["000000010", "000000012"]
    checkpoint, refused = load(folder)
    assert refused == []
    assert (checkpoint.step, checkpoint.state) == (12, {"history": [{"loss": 12.1}]})
    for before, after in zip(VARIABLES, checkpoint.variables, strict=True):
        assert (after == before).all()
        assert (after.dtype, after.shape) == (before.dtype, before.shape)


@pytest.mark.parametrize(
    "damage", [lambda path: path.read_bytes()[:-1] + b"\1", lambda path: min(path.parent.iterdir()).read_bytes()]
)
def test_a_damaged_one_is_refused_with_its_reason_and_the_one_before_it_used(folder, damage):
    save(folder, 1, 2)
    damaged = max(folder.iterdir())
    damaged.write_bytes(damage(damaged))
    checkpoint, refused = load(folder)
    assert checkpoint.step == 1
    assert refused == [f"checkpoint {damaged.name[:16]}… refused: altered since it was made"]
    assert not damaged.exists()
    save(folder, 2)  # it does not displace good ones either
    assert load(folder)[0].step == 2
    assert len(list(folder.iterdir())) == 2
