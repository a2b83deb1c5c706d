"""The help: every option once, under a heading, within 80 columns."""

import re

import pytest

from flows.parser import ACTIONS, parser_of, read_command
from tasks.formatting import option_of
from tasks.settings.options import GROUPS
from tasks.settings.presets import PRESETS
from tasks.settings.settings import Settings
from tasks.settings.studies import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_the_help_names_every_option_once_and_fits_into_80_columns(kind):
    text = parser_of(kind).format_help()
    options = [option_of(name) for name in (*kind.model_fields, *ACTIONS) if name not in kind.excluded]
    assert sorted(re.findall(r"^  (--[a-z-]+)", text, re.MULTILINE)) == sorted(options)
    assert max(map(len, text.splitlines())) <= 80


def test_the_help_has_groups_examples_presets_exit_statuses_and_studies(capsys):
    with pytest.raises(SystemExit, match="^0$"):
        read_command(Settings, ["--help"])
    text = capsys.readouterr().out
    headings = re.findall(r"^([a-z ]+):$", text, re.MULTILINE)
    assert headings == [*GROUPS, "instead of running", "presets", "examples", "winner", "exit status", "studies"]
    examples = re.findall(r"^  python flows/main\.py( .*?)?(?:  |$)", text, re.MULTILINE)
    assert len(examples) == 5
    for options in examples:
        parser_of(Settings).parse_args(options.split())
    for name, preset in PRESETS.items():
        assert re.search(rf"^  {name} .* {preset.batch_size} .*{preset.learning_rate} {preset.schedule} ", text, re.M)
    assert "python flows/study.py seeds " in text
