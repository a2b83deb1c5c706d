import os

from flows.orchestration.ephemeral_server import DATABASE, MAX_DATABASE, _make_room


def test_a_database_that_has_grown_large_gives_way_to_a_new_one(tmp_path):
    database = tmp_path / DATABASE
    for file in (database, tmp_path / f"{DATABASE}-wal"):
        file.write_bytes(b"of the old one")
    _make_room(database)
    assert database.exists()
    os.truncate(database, MAX_DATABASE + 1)
    _make_room(database)
    assert list(tmp_path.iterdir()) == []
