"""`afl nnunet`: what it prints can be given to a shell, and is what nnU-Net needs."""

import json
import os
import shlex

import pytest
from typer.testing import CliRunner

from afl_core.cli.nnunet import commands
from afl_core.nnunet.catalogue import ENDINGS, FOLDER, TRAINERS, VARIABLE, find_trainer


@pytest.fixture
def said(monkeypatch):
    """What is printed, without other folders of trainers."""
    monkeypatch.delenv(VARIABLE, raising=False)
    return lambda *words: CliRunner().invoke(commands, words).stdout


def value_of(line: str) -> str:
    export, assignment = shlex.split(line)
    assert export == "export"
    name, _, value = assignment.partition("=")
    assert name == VARIABLE == "nnUNet_extTrainer"
    return value


def test_the_variable_names_the_folder_that_holds_trainers_alone(said):
    lines = said().splitlines()
    assert value_of(lines[0]) == str(FOLDER)
    assert [path.name for path in FOLDER.glob("*.py")] == ["afl_trainers.py"]  # nnU-Net imports all that lies there
    assert shlex.split(lines[1])[0] == "nnUNetv2_train"
    assert shlex.split(lines[1])[-1] in TRAINERS
    assert all(any(line.strip().startswith(name) for line in lines) for name in TRAINERS)


def test_json_has_every_trainer_and_ending(said):
    document = json.loads(said("--json"))
    assert value_of(document["export"]) == str(FOLDER)
    assert [trainer["name"] for trainer in document["trainers"]] == list(TRAINERS)
    for trainer in document["trainers"]:
        spec = find_trainer(trainer["name"])
        assert (trainer["trains_with"], trainer["loss"]) == (spec.line, spec.loss)
        assert trainer["settings"] == spec.settings
    assert document["endings"] == dict(ENDINGS)


@pytest.mark.parametrize("named", ["/my trainers", f"/my trainers{os.pathsep}{FOLDER}"])
def test_folders_that_are_named_already_stay(said, monkeypatch, named):
    monkeypatch.setenv(VARIABLE, named)
    assert value_of(said().splitlines()[0]).split(os.pathsep) == ["/my trainers", str(FOLDER)]
