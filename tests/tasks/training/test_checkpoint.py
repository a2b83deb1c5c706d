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


def newest(folder):
    return max(folder.iterdir())


def test_a_checkpoint_comes_back_as_it_was(folder):
    assert load(folder) == (None, [])
    save(folder, 12)
    checkpoint, refused = load(folder)
    assert refused == []
    assert (checkpoint.step, checkpoint.state) == (12, {"history": [{"loss": 12.1}]})
    for before, after in zip(VARIABLES, checkpoint.variables, strict=True):
        assert (after == before).all()
        assert (after.dtype, after.shape) == (before.dtype, before.shape)


def test_the_newest_is_taken_and_the_one_before_it_kept(folder):
    save(folder, 9, 10, 999_999)
    assert load(folder)[0].step == 999_999
    assert [path.name[:9] for path in sorted(folder.iterdir())] == ["000000010", "000999999"]


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def swap(path):
    path.write_bytes(min(path.parent.iterdir()).read_bytes())


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (flip, "altered since it was made"),
        (swap, "altered since it was made"),
    ],
)
def test_a_damaged_one_is_refused_with_its_reason_and_the_one_before_it_used(folder, damage, reason):
    save(folder, 1, 2)
    damaged = newest(folder)
    damage(damaged)
    checkpoint, (refused,) = load(folder)
    assert checkpoint.step == 1
    assert refused.startswith("checkpoint 000000002-")
    assert reason in refused
    assert not damaged.exists()
    save(folder, 2)  # it does not displace good ones either
    assert load(folder)[0].step == 2
    assert len(list(folder.iterdir())) == 2
    assert load(folder)[1] == []


def test_one_of_another_training_is_refused(folder):
    save(folder, 1)
    other = folder.with_name("dropout-fedcba9876543210")
    folder.rename(other)
    checkpoint, (refused,) = load(other)
    assert checkpoint is None
    assert refused.endswith("belongs to dropout-0123456789abcdef")


def test_what_a_kill_left_half_written_is_not_taken(folder):
    save(folder, 1)
    (folder / ".staging-000000002-0.npz").write_bytes(b"PK\x03\x04")
    assert load(folder)[0].step == 1
    save(folder, 2, 3)
    assert len(list(folder.glob("[!.]*"))) == 2
