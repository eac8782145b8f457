"""Texts of a page on opened results: their data set, their sources, and what could not be used."""

from collections.abc import Mapping
from typing import Any

from afl_core.base.numbers import number, volume
from afl_core.base.remote import address
from afl_core.base.words import number_of
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.manifest import Manifest, failed_predictions
from afl_core.evaluation.manifest_sections import SourceSection
from afl_core.evaluation.prediction_reading import changes
from afl_core.metrics import METRICS
from afl_core.model.checkpoints import Card


def data_facts(opened: Comparison) -> dict[str, str]:
    """Name to fact of the data set: where it lies, what was evaluated, and how large its tumours are."""
    data, rows = opened.manifest.data, opened.rows
    facts = {"Folder": address(data.path), "Layout": data.kind}
    if opened.cohort is not None:
        cases = opened.cohort.cases
        facts["Region"] = opened.cohort.scheme.mapping(opened.cohort.region.name)
        facts["Cases"] = str(len(cases))
        facts["Sequences"] = ", ".join(sorted({name for case in cases for name in case.sequences})) or "masks alone"
    if not rows.empty:
        once = rows.drop_duplicates("case_id")
        with_tumour = once.loc[once["reference_volume_ml"] > 0, "reference_volume_ml"]
        facts["Evaluated"] = f"{number_of(len(once), 'case')}, {len(with_tumour)} with a tumour"
        if len(with_tumour):
            facts["Tumour volume"] = (
                f"{volume(with_tumour.min())} to {volume(with_tumour.max())}, median {volume(with_tumour.median())}"
            )
        if once["reference_lesions"].notna().any():
            facts["Lesions"] = str(int(once["reference_lesions"].sum()))
    facts["Results"] = str(opened.results.folder)
    return facts


def source_facts(source: SourceSection) -> dict[str, str]:
    """Name to fact of a source: the card of a checkpoint, or what is known of a folder of masks."""
    card = source.card
    if source.kind == "table":
        return {"Table": source.path, "Measured by": source.option}
    if card is None:
        facts = {"Folder": source.path, "Masks on another grid": source.option, "Not read": source.ignored}
        return {name: text for name, text in facts.items() if text}
    training = card.training
    return {
        "Loss": ", ".join([card.loss, *(f"{k} {v}" for k, v in card.loss_settings.items())]),
        "Decision rule": card.decision_rule,
        **_by_rule(card),
        "Network": card.network + (f", {training['parameters']:,} parameters" if "parameters" in training else ""),
        "Sequences": ", ".join(card.sequences),
        **_training_fact(training),
        "Data": ", ".join([str(card.data.get("name")), *(f"{n} {k}" for k, n in card.data.get("cases", {}).items())]),
        "Command": card.command,
        "SHA-256": card.weights_sha256,
        "Limits": card.limits,
    }


def _by_rule(card: Card) -> dict[str, str]:
    """Mean Dice of the checkpoint's own test split under every way of reading its two channels."""
    scores = card.scores.get("test_mean_dsc_by_decision_rule", {})
    return {"Test Dice by rule": ", ".join(f"{rule} {number(dsc)}" for rule, dsc in scores.items())} if scores else {}


def _training_fact(training: Mapping[str, Any]) -> dict[str, str]:
    if not training:
        return {}
    processes = training.get("processes", 1)
    over = f" over {processes} processes" if processes > 1 else ""
    rate = f", learning rate {training['learning_rate']:g}" if training.get("learning_rate") else ""
    how = f"steps {training.get('steps')}, batch {training.get('batch_size')}{over}, seed {training.get('seed')}{rate}"
    return {"Training": f"{how}, best at step {training.get('best_step')}"}


def problems_of(opened: Comparison) -> dict[str, str]:
    """Case, or case and source, to why it could not be used."""
    of_sources = {
        f"{case} {source}".strip(): text
        for case, texts in opened.manifest.problems.items()
        for source, text in texts.items()
    }
    return dict(opened.manifest.data.skipped) | of_sources


def unused_sentence(n: int) -> str:
    """How many cases or predictions could not be used.

    >>> unused_sentence(1)
    '1 case or prediction could not be used'
    """
    return f"{number_of(n, 'case or prediction', 'cases or predictions')} could not be used"


_EMPTY = {
    "both": "with both masks empty",
    "reference": "with an empty reference",
    "prediction": "with nothing predicted",
}


def empty_counts_text(manifest: Manifest) -> str:
    """How many cases of each source an empty rule decided."""
    touched = {source: manifest.empty_masks[source] for source in manifest.sources if source in manifest.empty_masks}
    counts = (
        f"{source}: {', '.join(f'{n} {_EMPTY[rule]}' for rule, n in sorted(rules.items()))}"
        for source, rules in touched.items()
    )
    return "; ".join(counts) or "none"


def false_positives_text(total: float, having: int, cases: int) -> str:
    """How many predicted lesions are none, and in how many of the cases, beside every recall of lesions.

    >>> false_positives_text(628, 41, 60)
    'false positives: 628 in 41 of 60 cases, 10.47 a case'
    >>> false_positives_text(4.5, 1, 2), false_positives_text(0, 0, 3)
    ('false positives: 4.5 in 1 of 2 cases, 2.25 a case', 'false positives: 0 in 3 cases')
    """
    if not total:
        return f"false positives: 0 in {number_of(cases, 'case')}"
    count = number(total, 0 if float(total).is_integer() else 1)
    a_case = number(total / cases, METRICS["lesion_fp"].digits)
    return f"false positives: {count} in {having} of {number_of(cases, 'case')}, {a_case} a case"


def lesions_sentences(opened: Comparison) -> tuple[str, ...]:
    """Lesions that each source found, and its false positives, a sentence each; () where the rows do not count them."""
    rows = opened.rows
    if rows.empty or not {"lesion_tp", "lesion_fp", "lesion_fn"} <= set(rows):
        return ()
    sentences = []
    for source, of_source in rows.groupby("source", sort=False):
        tp, fp, fn = (int(of_source[f"lesion_{kind}"].sum()) for kind in ("tp", "fp", "fn"))
        recall = f"{tp} of {number_of(tp + fn, 'lesion')} found" if tp + fn else "no lesion to find"
        having = int((of_source["lesion_fp"] > 0).sum())
        sentences.append(f"{source}: {recall}; {false_positives_text(fp, having, len(of_source))}")
    return tuple(sentences)


def missing_text(opened: Comparison) -> str:
    """How many predictions each source lacks; they are in no mean."""
    lacking = opened.manifest.missing
    missing = {source: len(lacking[source]) for source in opened.sources if source in lacking}
    rows = opened.rows
    measured = {source: int((rows["source"] == source).sum()) if "source" in rows else 0 for source in missing}
    counts = [f"{source}: {n} of {n + measured[source]}" for source, n in missing.items()]
    text = f"Missing predictions: {', '.join(counts)}. They are in none of the means." if counts else ""
    if failed := failed_predictions(opened.manifest):
        each = ", ".join(f"{source}: {failed[source]}" for source in opened.sources if failed[source])
        text += f" Predictions that could not be used, and are in no mean: {each}."
    return text.strip()


def changed_sentence(opened: Comparison) -> str:
    """How many predictions were put on the reference's grid or cut from probabilities, with an example a source."""
    if "note" not in opened.rows:
        return ""
    noted = opened.rows.assign(note=opened.rows["note"].fillna("").map(changes))
    noted = noted[noted["note"] != ""]
    examples = [
        f"{source}: {len(rows)}, such as {rows['case_id'].iloc[0]}, {rows['note'].iloc[0]}"
        for source, rows in noted.groupby("source", sort=False)
    ]
    return f"Predictions that were changed before they were measured: {'; '.join(examples)}." if examples else ""
