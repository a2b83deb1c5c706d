"""The README and the code say the same."""

import json
import re
import subprocess

from flows.cli import read_options
from tasks.formatting import as_text
from tasks.settings.models import networks
from tasks.settings.presets import PRESETS
from tasks.settings.settings import PROJECT, Settings
from tests.benchmarks.figures import table

README = (PROJECT / "README.md").read_text()


def rows(pattern):
    return {row[0]: row[1:] for row in re.findall(pattern, README, flags=re.MULTILINE)}


def test_the_table_of_options_is_the_settings():
    table = rows(r"^\| `--([a-z-]+)` \| (.*?) \| (.*?) \|$")
    assert list(table) == [name.replace("_", "-") for name in Settings.model_fields]
    for name, field in Settings.model_fields.items():
        meaning, default = table[name.replace("_", "-")]
        assert meaning == field.description
        if default != "the preset's":
            value = getattr(Settings(), name)
            assert default == as_text(value).replace(f"{PROJECT}/", "")


def test_the_table_of_presets_is_the_presets():
    table = rows(r"^\| `(\w+)` \| (.*?) \| (\d+) \| (.*?) \| (\w+) \| (.*?) \|$")
    assert set(table) == set(PRESETS)
    for name, (_, batch_size, rate, precision, epochs) in table.items():
        preset = PRESETS[name]
        assert int(batch_size) == preset.batch_size
        assert rate == ("one-cycle to " if preset.schedule == "one-cycle" else "") + str(preset.learning_rate)
        assert precision == preset.precision
        assert epochs == ", ".join(str(network.epochs[name]) for network in networks().values())


def test_the_table_of_what_is_timed_is_what_was_measured():
    told = json.loads((PROJECT / "benchmarks.json").read_text())
    section = README.partition("## How fast")[2].partition("\n## ")[0]
    _, _, *quoted = [line for line in section.splitlines() if line.startswith("|")]
    assert quoted
    assert set(quoted) <= set(table(told["figures"]).splitlines())
    assert f"{told['machine']['cores']} cores" in section


def test_every_make_target_that_it_names_is_there():
    named = set(re.findall(r"`?make (\w+)", README)) - {"once"}
    for target in named:
        done = subprocess.run(["make", "--dry-run", target], cwd=PROJECT, capture_output=True, check=False)
        assert done.returncode == 0, target


def test_the_options_that_it_passes_are_understood():
    (given,) = re.findall(r"ARGS='([^']+)'", README)
    assert read_options(given.split()) == {"preset": "smoke"}


def test_the_table_of_exit_statuses_is_the_code_s():
    from tasks.pipeline.errors import RunError, UserError

    assert f"{RunError.exit_status} the run failed, {UserError.exit_status} what was asked for cannot be done" in README
