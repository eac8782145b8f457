"""Values of the challenges' own codes on the made-up pairs of made_protocols.py; run by hand, from the root.

Each code is installed in an environment of its own, and none of them is a dependency of this project:

    brats2023  brats_metrics.py of the repository rachitsaluja/BraTS-2023-Metrics at 0c603fc on PYTHONPATH, with
               numpy<2, pandas 1.5.3, connected-components-3d, and surface-distance 0.1 of PyPI (masks as bool) in
               place of its copy of it. `metric_df.replace(np.inf, 374)` is done on the column of HD95 alone, as
               pandas refuses to look for infinity in the column of arrays. The committed values were made with a
               shortened copy of that file, as the repository could not be reached: make them again with the file
               itself where it can.
    brats2025  pip install brats-evaluation==0.0.10 panoptica==2.1.7
    picai      pip install picai-eval==1.4.13
    detection  pip install picai-eval==1.4.13 report-guided-annotation==0.3.4: on detection maps and probabilities

    PYTHONPATH=tests python tests/oracles/make_protocols.py brats2023
"""

import json
import math
import sys
import tempfile
from pathlib import Path

import made_protocols
import nibabel as nib
import numpy as np

TASKS_2023 = {f"brats2023_{task.lower()}": f"BraTS-{task}" for task in ("GLI", "MET", "MEN", "PED", "SSA")}
CONFIGS_2025 = {
    "brats2025_gli": "gli",
    "brats2025_met": "mets",
    "brats2025_ped": "ped",
    "brats2025_goat": "GoAT",
    "brats2025_men_rt": "MenRT",
    "brats2025_men_pre": "MenPre",
}


RATES = (0.1, 0.25, 0.5, 1, 2)
"""False positives a case at which sensitivity is taken."""


def files_of(folder, pair):
    """The pair as two NIfTI files."""
    paths = []
    for name, labels in zip(("prediction", "reference"), pair[:2], strict=True):
        paths.append(str(folder / f"{name}.nii.gz"))
        nib.save(nib.Nifti1Image(labels, np.diag([*pair[2], 1])), paths[-1])
    return paths


def brats2023(folder, pair):
    from brats_2023_metrics.surface_distance.brats_metrics import get_lesion_wise_results

    values = {}
    for name, task in TASKS_2023.items():
        table = get_lesion_wise_results(*files_of(folder, pair), task)
        values[name] = {
            row["Labels"].lower(): {
                "tp": row["Num_TP"],
                "fp": row["Num_FP"],
                "fn": row["Num_FN"],
                "lesion_dsc": row["Lesion_Wise_Score_Dice"],
                "lesion_hd95_mm": row["Lesion_Wise_Score_HD95"],
                "dsc": row["Legacy_Dice"],
                "hd95_mm": row["Legacy_HD95"],
            }
            for _, row in table.iterrows()
        }
    return values


def brats2025(folder, pair):
    import pandas as pd
    from brats_evaluation import config_path, evaluate_single_exam
    from brats_evaluation.metrics_parser import parse_mets_results, parse_seg_results
    from panoptica import Panoptica_Evaluator

    values = {}
    for name, config in CONFIGS_2025.items():
        evaluator = Panoptica_Evaluator.load_from_config(str(config_path(config)))
        result = evaluate_single_exam(*files_of(folder, pair), "case", evaluator)
        if "error" in result:
            continue  # a label that the task does not have
        summary, table = folder / "summary.json", folder / "table.csv"
        summary.write_text(json.dumps({"metrics": [result], "missings": []}))
        if config == "mets":
            parse_mets_results(str(summary), 20.0, 0.1, str(table))
        else:
            parse_seg_results(str(summary), str(table))
        row = pd.read_csv(table).iloc[0]
        names = {
            "tp": "all_instance_tp",
            "fp": "all_instance_fp",
            "fn": "all_instance_fn",
            "lesion_dsc": "lesionwise_dsc_mean",
            "lesion_hd95_mm": "lesionwise_hd95_mean",
            "lesion_nsd": "lesionwise_nsd_mean",
            "dsc": "global_dsc",
            "hd95_mm": "global_hd95",
        }
        if config == "mets":
            names |= {f"{size}_{n}": f"{size}_instance_{n}" for size in ("large", "small") for n in ("tp", "fn")}
        regions = [column.removeprefix("global_dsc_") for column in row.index if column.startswith("global_dsc_")]
        values[name] = {region: {key: row[f"{column}_{region}"] for key, column in names.items()} for region in regions}
    return values


def picai(_folder, pair):
    from picai_eval.analysis_utils import calculate_dsc
    from picai_eval.eval import evaluate_case

    prediction, reference = (labels > 0 for labels in pair[:2])
    found, *_ = evaluate_case(prediction.astype(np.float32), reference.astype(np.int32))
    return {
        "picai": {
            "cspca": {
                "tp": sum(lesion == 1 and confidence > 0 for lesion, confidence, _ in found),
                "fp": sum(lesion == 0 for lesion, *_ in found),
                "fn": sum(lesion == 1 and confidence == 0 for lesion, confidence, _ in found),
                "dsc": calculate_dsc(prediction.astype(np.float32), reference.astype(np.int32)),
            }
        }
    }


def detection():
    """Scores of cohorts of detection maps, lesions of each case, and candidates of maps of probabilities."""
    from picai_eval import evaluate
    from report_guided_annotation import extract_lesion_candidates

    cohorts = {}
    for name, cases in made_protocols.detections().items():
        found = evaluate([values for values, _ in cases], [reference.astype(np.int32) for _, reference in cases])
        cohorts[name] = {
            "ap": number(found.AP),
            "auroc": number(found.auroc),
            "score": number(found.score),
            "sensitivity": {str(rate): number(found.lesion_TPR_at_FPR(rate)) for rate in RATES},
            "cases": [
                sorted([is_lesion, number(confidence)] for is_lesion, confidence, _ in found.lesion_results[k])
                for k in range(len(cases))
            ],
        }
    extracted = {}
    for name, values in made_protocols.probabilities().items():
        blobs, *_ = extract_lesion_candidates(values, threshold="dynamic-v2")
        sizes = {str(number(value)): int((blobs == value).sum()) for value in np.unique(blobs[blobs > 0])}
        extracted[name] = {"voxels": int((blobs > 0).sum()), "by_confidence": sizes}
    return {"cohorts": cohorts, "extracted": extracted}


def number(value):
    """The value as JSON holds it: null for undefined, a text for what is infinite."""
    value = float(value)
    if math.isnan(value):
        return None
    return "inf" if math.isinf(value) else round(value, 9)


if __name__ == "__main__":
    which = sys.argv[1]
    if which == "detection":
        Path(__file__).with_name("detection_picai.json").write_text(json.dumps(detection(), indent=1) + "\n")
        sys.exit()
    measured = {}
    for title, made in made_protocols.pairs().items():
        with tempfile.TemporaryDirectory() as folder:
            values = globals()[which](Path(folder), made)
        measured[title] = {
            protocol: {region: {key: number(v) for key, v in row.items()} for region, row in rows.items()}
            for protocol, rows in values.items()
        }
    target = Path(__file__).with_name(f"protocols_{which}.json")
    lines = [f"{json.dumps(title)}: {json.dumps(values)}" for title, values in measured.items()]
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n")
