"""Write the JSON Schemas of what the workbench exports to docs/schemas; `make schemas` runs it."""

import json
from pathlib import Path

from afl_core.analysis.breakdown.document import BreakdownDocument, RegionsDocument
from afl_core.analysis.xray.document import XrayDocument
from afl_core.evaluation.manifest import Manifest

FOLDER = Path(__file__).parent / "schemas"
MODELS = {
    "manifest": Manifest,
    "breakdown": BreakdownDocument,
    "breakdown_regions": RegionsDocument,
    "xray": XrayDocument,
}


def schemas() -> dict[str, str]:
    """File name to its content, for each of `MODELS`."""
    texts = {}
    for name, model in MODELS.items():
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
        texts[f"{name}.schema.json"] = json.dumps(schema, indent=1) + "\n"
    return texts


if __name__ == "__main__":
    for name, text in schemas().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
