"""The JSON Schemas in docs/schemas are those of the code, and what is exported keeps to them."""

import importlib.util
import json
from pathlib import Path

import jsonschema
import pytest
from made_results import write_results

from afl_core.analysis.breakdown.export import export_files
from afl_core.analysis.breakdown.options import Options, choose_breakdown
from afl_core.analysis.xray.document import xray_json
from afl_core.analysis.xray.table import PREPARATIONS, xray_table
from afl_core.data.layouts import load_cohort
from afl_core.evaluation.manifest import MANIFEST
from afl_core.evaluation.results import Results

ROOT = Path(__file__).parents[1]


def schema(name):
    return json.loads((ROOT / "docs" / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8"))


def test_the_schemas_in_docs_are_those_of_the_code():
    spec = importlib.util.spec_from_file_location("docs_schemas", ROOT / "docs" / "schemas.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "schemas").iterdir()}
    assert written == module.schemas(), "run `make schemas`"


@pytest.mark.parametrize("level", ["case", "lesion"])
def test_a_breakdown_keeps_to_its_schema(tmp_path, level):
    results = Results(write_results(tmp_path / "made"))
    options = Options(level=level, edges={"size": (1.0, 5.0)})
    found = choose_breakdown((results.cases(), results.lesions()), results.manifest(), options)
    document = json.loads(export_files(found, options, results.manifest(), results="made")["breakdown.json"])
    jsonschema.validate(document, schema("breakdown"))
    jsonschema.validate(json.loads((results.folder / MANIFEST).read_text()), schema("manifest"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document | {"tests": "many"}, schema("breakdown"))


def test_an_xray_keeps_to_its_schema(cohort):
    table, problems = xray_table(load_cohort(cohort).cases, PREPARATIONS["picai_paper"])
    text = xray_json(table, PREPARATIONS["picai_paper"], problems=problems, command="afl xray")
    jsonschema.validate(json.loads(text), schema("xray"))
