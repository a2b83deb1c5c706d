import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.pipeline.champions import FILE, champions, evaluation_of_the_champion, promote, roll_back
from tasks.pipeline.errors import RunError, UserError

OF_RUN = {"recipe": "fast", "command": "python flows/main.py --preset fast"}


def crowned(folder, *names):
    return [crowned_over(folder, champions(folder).to_beat.get("evaluate"), name) for name in names]


def crowned_over(folder, beaten, name, key="0123456789abcdef"):
    known = {"network": name, "evaluate": f"{name}-{key}", "train": f"training of {name}", "reason": "why"}
    return promote(folder, beaten, **known, **OF_RUN)


def test_without_a_file_there_is_none_and_none_before_it(tmp_path):
    assert champions(tmp_path).to_beat == {"rolled_back": []}
    assert evaluation_of_the_champion(tmp_path, champions(tmp_path).to_beat) == {}
    with pytest.raises(UserError, match="no previous champion to restore in "):
        roll_back(tmp_path)


def test_the_last_one_crowned_is_in_use_and_crowning_it_again_is_no_news(tmp_path):
    assert crowned(tmp_path, "baseline", "dropout", "dropout") == [True, True, False]
    assert [champion.network for champion in champions(tmp_path).champions] == ["baseline", "dropout"]
    assert list(tmp_path.glob("[!.]*")) == [tmp_path / FILE], "something half-written"


def test_a_rollback_puts_the_one_before_into_use_and_the_other_never_again(tmp_path):
    crowned(tmp_path, "baseline", "dropout")
    again, was = roll_back(tmp_path)
    assert (again.network, was.network) == ("baseline", "dropout")
    assert not crowned_over(tmp_path, "baseline-0123456789abcdef", "dropout", "fedcba9876543210")
    assert champions(tmp_path).to_beat == {
        "network": "baseline",
        "evaluate": "baseline-0123456789abcdef",
        "command": OF_RUN["command"],
        "rolled_back": ["training of dropout"],
    }


def test_of_many_that_have_beaten_the_same_champion_one_takes_its_place_and_the_others_are_told(tmp_path):
    crowned(tmp_path, "baseline")
    names = [f"network{number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        tried = [pool.submit(crowned_over, tmp_path, "baseline-0123456789abcdef", name) for name in names]
    (winner,) = (name for name, one in zip(names, tried, strict=True) if not one.exception())
    assert [champion.network for champion in champions(tmp_path).champions] == ["baseline", winner]
    told = {str(one.exception()).partition(";")[0] for one in tried if one.exception()}
    beaten = "was not promoted: the champion changed during the run"
    assert told == {f"{name} {beaten}" for name in names if name != winner}


def test_a_damaged_file_is_named_and_left_alone(tmp_path):
    (tmp_path / FILE).write_text(json.dumps({"champions": "none"}))
    with pytest.raises(RunError, match=r"champion.json is damaged: .*; repair it or move it away"):
        crowned(tmp_path, "baseline")
    assert json.loads((tmp_path / FILE).read_text()) == {"champions": "none"}
