"""A results folder made of tables, with masks and images small enough to write for every test."""

import json
import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from afl_core.evaluation.manifest import Manifest
from afl_core.evaluation.manifest_sections import SourceSection

SHAPE = (16, 18, 12)
AFFINE = np.diag([2.0, 2.0, 4.0, 1.0])
SOURCES = {"FL": 0.0, "A-FL": 0.05}
"""Name to how much better it is on tumours above the median volume, and worse below."""

CARD = {
    **{"name": "net", "label": "FL", "summary": "Net", "network": "demo_unet", "sequences": ["flair"]},
    **{"spacing_mm": [2, 2, 2], "patch_size": [32, 32, 32], "decision_rule": "argmax", "loss": "focal"},
    **{"loss_settings": {}, "training": {}, "data": {}, "scores": {}, "command": "", "versions": {}},
    **{"weights_sha256": "", "limits": "None of this was trained."},
}
CHECKPOINT = {"kind": "checkpoint", "path": "/home/someone/net", "fingerprint": "f00d" * 16, "card": CARD}
MASKS = {"kind": "masks", "path": "/home/someone/masks", "files": 24}


def make_tables(*, n: int = 24, sources: dict[str, float] = SOURCES) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Case rows and lesion rows: two lesions a case, the last case without a tumour, roughness of the first unknown."""
    rng = np.random.default_rng(7)
    cases, lesions = [], []
    for k in range(n):
        case_id, empty = f"case_{k:02d}", k == n - 1
        size = 0.0 if empty else float(np.exp(rng.uniform(-1, 4)))
        rough = math.nan if k == 0 or empty else float(rng.uniform(0.02, 0.4))
        base = rng.uniform(0.4, 0.8)
        for name, gain in sources.items():
            dsc = 1.0 if empty else float(base + gain * np.sign(size - 5) + rng.normal(0, 0.02))
            row = {"case_id": case_id, "group": "", "source": name, "key": "k", "empty": "both" if empty else ""}
            row |= {"note": "", "predicted_volume_ml": size}
            row |= {"reference_volume_ml": size, "roughness": rough, "released_smoothness": size / 1e4}
            cases.append(row | {"dsc": dsc, "hd95_mm": 20 * (1 - dsc), "reference_lesions": 2 - 2 * empty})
            for lesion in () if empty else (1, 2):
                own = {
                    "case_id": case_id,
                    "source": name,
                    "lesion_id": lesion,
                    "kind": "reference",
                    "x": 7,
                    "y": 8,
                    "z": 5,
                }
                values = {
                    "volume_ml": size / 2 + lesion / 9,
                    "roughness": rough,
                    "dsc": dsc,
                    "detected": float(dsc > 0.5),
                }
                unknown = dict.fromkeys(("dsc_in_region", "hd95_mm", "assd_mm", "nearest_mm"), math.nan)
                found = {"overlap_ml": 0.0, "predicted_ml": 0.0, "predicted_components": [1]}
                lesions.append(own | values | unknown | found)
    return pd.DataFrame(cases), pd.DataFrame(lesions)


def make_manifest(data: Path, sources: dict[str, float] = SOURCES) -> Manifest:
    """The manifest of such tables; the first source is a checkpoint, the others are folders of masks."""
    names = list(sources)
    record = {
        "data": {"path": str(data), "kind": "plain", "skipped": {}},
        "settings": {"nsd_tolerance_mm": 1.0, "matcher": "overlap", "version": 2},
        "versions": {"afl-workbench": "0.1.0", "python": "3.11"},
        "empty_masks": {name: {"both": 1} for name in names},
        "problems": {"case_99": {names[0]: f"{names[0]} has no mask of case_99"}},
        "updated": "2026-01-01T00:00:00+00:00",
    }
    of = {name: SourceSection(**CHECKPOINT if name == names[0] else MASKS) for name in names}
    return Manifest(**record).model_copy(update={"sources": of})  # also names that a file may not have


def write_results(folder: Path, *, pictures: bool = False, sources: dict[str, float] = SOURCES) -> Path:
    """Write them; with `pictures` also images, references and predicted masks."""
    folder.mkdir(parents=True)
    cases, lesions = make_tables(sources=sources)
    cases.to_parquet(folder / "cases.parquet", index=False)
    lesions.to_parquet(folder / "lesions.parquet", index=False)
    data = folder.parent / f"data of {folder.name}"
    (folder / "manifest.json").write_text(json.dumps(make_manifest(data, sources).record()))
    if pictures:
        for case_id in cases["case_id"].unique():
            write_case(folder, data, case_id, sources)
    return folder


def write_regions(folder: Path, **sources_of: dict[str, float]) -> Path:
    """Write them for several regions, the first one opened first; of each its sources, as in `make_tables`."""
    folder.mkdir(parents=True)
    first, *more = sources_of
    tables = {region: make_tables(sources=sources) for region, sources in sources_of.items()}
    for k, name in enumerate(("cases", "lesions")):
        of_regions = [of[k].assign(region=region) for region, of in tables.items()]
        pd.concat(of_regions).to_parquet(folder / f"{name}.parquet", index=False)
    record = make_manifest(folder.parent / "data", sources_of[first]).record()
    record["settings"] |= {"region": first, "more_regions": more}
    (folder / "manifest.json").write_text(json.dumps(record))
    return folder


def write_case(folder: Path, data: Path, case_id: str, sources: dict[str, float]) -> None:
    """A box, an image of it with noise, and for each source the box moved by its place."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[5:10, 6:11, 3:8] = 1
    noise = np.random.default_rng(1).integers(0, 50, SHAPE)
    save(data / "images" / f"{case_id}_flair.nii.gz", (noise + 100 * mask).astype(np.int16))
    save(data / "references" / f"{case_id}.nii.gz", mask)
    for k, name in enumerate(sources):
        save(folder / "masks" / name / f"{case_id}.nii.gz", np.roll(mask, k + 1, axis=0))


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, AFFINE), path)
