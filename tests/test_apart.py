from flows.command_line import read_options
from flows.plan import plan
from tasks.compare import compare
from tasks.report import report
from tasks.settings import parse_settings
from tasks.validate import validate
from tests.conftest import ON_THE_FIXTURE


def test_what_a_child_makes_of_a_node_is_what_its_function_makes_here(finished_run, tmp_path):
    settings = parse_settings(read_options([*ON_THE_FIXTURE, "--data-dir", str(finished_run / "data")]))
    found = plan(settings).kept
    each = {node: {name: found[f"{node}[{name}]"] for name in settings.networks} for node in ("train", "evaluate")}
    download, prepare = found["download"], found["prepare"]
    singles = {"download": download, "validate": found["validate"], "prepare": prepare, "compare": found["compare"]}
    told = {"data_set": settings.data_set, "command": settings.command, "departures": settings.departures}
    for node, given in (
        (validate, {"download": download, "data_set": settings.data_set}),
        (compare, {**each, "prepare": prepare}),
        (report, {**each, **singles, **told, "study": {}, "challenge": {}}),
    ):
        assert node.apart
        folder = tmp_path / node.name
        folder.mkdir()
        assert node(folder, **given) == found[node.name].facts
        for path in folder.iterdir():
            assert path.read_bytes() == (found[node.name].folder / path.name).read_bytes(), path.name
