"""What to know of results before their numbers are believed: the same on the command line, pages and reports."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from afl_core.base import paths
from afl_core.base.words import named, number_of
from afl_core.data.labels import EXAMPLE_CODES, WHOLE, region_title
from afl_core.data.layouts.nnunet_results import is_held_out
from afl_core.data.patients import parted_patients
from afl_core.data.splits import SPLITS_FILE, load_splits
from afl_core.errors import DataError
from afl_core.evaluation.manifest import Manifest, failed_predictions
from afl_core.evaluation.nnunet_probabilities import POSTPROCESSED, UNREAD
from afl_core.evaluation.prediction_reading import ALONE, BYTES, FOREIGN, SATURATED
from afl_core.evaluation.prediction_values import DECIDED
from afl_core.evaluation.source_doubts import doubt_rows
from afl_core.evaluation.study_runs import study_warning
from afl_core.evaluation.tables import distinct
from afl_core.metrics.matchers import MATCHERS, task_warning


def notes(manifest: Manifest, rows: pd.DataFrame) -> tuple[str, ...]:
    """Patients, region, lesions that the matcher ignores, and what predicted files hold; () where there is no row.

    Args:
        manifest: Manifest of the results.
        rows: Case rows of the results.
    """
    if rows.empty:
        return ()
    if manifest.imported:
        return (f"{manifest.patients(rows['case_id']).sentence()}.", *_imported(manifest, rows))
    patients, region, *files = volume_notes(manifest, rows)
    sentences = (patients, region, ignored_sentence(manifest, rows), covariates_sentence(manifest, rows), *files)
    return tuple(sentence for sentence in sentences if sentence)


def volume_notes(manifest: Manifest, rows: pd.DataFrame) -> tuple[str, ...]:
    """The notes on what volumes alone rest on: patients, region and what predicted files hold; see `notes`."""
    if rows.empty or manifest.imported:
        return notes(manifest, rows)
    patients = f"{manifest.patients(rows['case_id']).sentence()}."
    region = f"Region: {manifest.data.labels or region_title(manifest.settings.region)}."
    return (patients, region, *meanings(manifest), *_saturated(rows))


def imported_sentence(manifest: Manifest) -> str:
    """Who measured imported tables; "" for results that were measured here."""
    tools = named(list(dict.fromkeys(source.option for source in manifest.sources.values())))
    return f"Measured by {tools}, imported: none of it was measured here." if manifest.imported else ""


def _imported(manifest: Manifest, rows: pd.DataFrame) -> list[str]:
    """Who measured imported tables, on which region, and where volume and roughness come from."""
    references = manifest.data.references
    sizes = f"Volume and roughness are those of the references in {references}."
    if not references:
        sizes = "Volume is as the table has it; there is no roughness: import with --references for it."
        if not (rows["reference_volume_ml"] >= 0).any():
            sizes = "There is neither volume nor roughness: import with --references, or with a size, for bins."
    sentences = (imported_sentence(manifest), f"Region: {manifest.data.labels}.", sizes)
    return [*sentences, *filter(None, [covariates_sentence(manifest, rows)])]


def covariates_sentence(manifest: Manifest, rows: pd.DataFrame) -> str:
    """Which covariates a table gives to these cases; "" where none does."""
    columns, cases = manifest.covariates.columns, distinct(rows, "case_id")
    if not columns:
        return ""
    known = len(cases & {case for of in columns.values() for case in of})
    share = "" if known == len(cases) else f", for {known} of {number_of(len(cases), 'case')}"
    return f"Covariates ({manifest.covariates.table}{share}): {named(list(columns), shown=8)}."


def meanings(manifest: Manifest) -> list[str]:
    """The meaning of each folder of predictions, where it was decided; sources of one meaning in one sentence."""
    sources: dict[str, list[str]] = {}
    for name, source in manifest.sources.items():
        if source.meaning:
            sources.setdefault(DECIDED[source.meaning], []).append(name)
    return [f"{named(names)}: {meaning}." for meaning, names in sources.items()]


def warnings(manifest: Manifest, rows: pd.DataFrame) -> tuple[str, ...]:
    """Warnings about labels, patients and matcher; arguments as `notes`."""
    if rows.empty:
        return ()
    if manifest.imported:
        return manifest.patients(rows["case_id"]).warnings
    doubts = [manifest.data.doubt, *(source.doubt for source in manifest.sources.values())]
    sentences = (
        *_drawn(manifest, rows),
        *study_warning(manifest),
        *filter(None, doubts),
        *manifest.patients(rows["case_id"]).warnings,
    )
    name = manifest.settings.matcher
    if name not in MATCHERS:
        return *sentences, f"The lesions were matched by {name}, which is no matcher any more: evaluate again."
    other = task_warning(name, dict.fromkeys(rows["case_id"]))
    sentences = (*sentences, *filter(None, [other]), *_nowhere(manifest, rows))
    read = (*_scaled(rows), *_foreign(rows), *_alone(rows), *_archives(rows))
    return (*sentences, *doubt_rows(rows), *read, *_of_the_split(manifest, rows))


def unmeasured(manifest: Manifest) -> tuple[str, ...]:
    """Of each source the cases that are in none of its means, because its file is missing or cannot be used."""
    failed = failed_predictions(manifest)
    sentences = []
    for source in manifest.sources:
        if ids := manifest.missing.get(source):
            lost = number_of(len(ids), "case: it is", "cases: they are")
            sentences.append(f"{source} has no prediction of {lost} in none of its means.")
        if n := failed[source]:
            lost = number_of(n, "case: none of its means has it", "cases: none of its means has them")
            sentences.append(f"{source} failed on {lost}.")
    if n := sum("" in texts for texts in manifest.problems.values()):
        them = "it" if n == 1 else "them"
        sentences.append(f"{number_of(n, 'case')} could not be measured with any source: no mean has {them}.")
    return tuple(sentences)


def _nowhere(manifest: Manifest, rows: pd.DataFrame) -> list[str]:
    """A warning where no reference holds the region: every empty mask then scores 1, and every other 0."""
    return [nowhere_sentence(manifest.settings.region)] if is_nowhere(rows) else []


def is_nowhere(rows: pd.DataFrame) -> bool:
    """Whether no reference holds a region, by its case rows."""
    return not rows.empty and not (rows["reference_volume_ml"] > 0).any()


def nowhere_sentence(region: str) -> str:
    """That no reference holds a region."""
    if region == WHOLE:
        return "No reference holds a tumour: an empty mask scores 1, and every other 0."
    return (
        f"No reference holds the region {region_title(region)}: an empty mask scores 1, and every other 0. Where the "
        f"labels have other codes, name them: {EXAMPLE_CODES}."
    )


def _drawn(manifest: Manifest, rows: pd.DataFrame) -> list[str]:
    """A warning where networks that learned from the drawn tumours of the demo are measured on other data."""
    if manifest.of_demo(rows["case_id"]):
        return []
    cards = [(name, source.card) for name, source in manifest.sources.items()]
    names = [name for name, card in cards if card is not None and card.data.get("name") == paths.DEMO_NAME]
    if not names:
        return []
    learned = "is a network that was" if len(names) == 1 else "are networks that were"
    return [
        f"{named(names)} {learned} trained on the drawn tumours of the {paths.DEMO_NAME}, and measured here on other "
        "data: this says nothing of what a loss is worth on them."
    ]


def _saturated(rows: pd.DataFrame) -> list[str]:
    """Sources of maps of which some hold 0 and 1 alone."""
    return [
        f"{number_of(n, 'map')} of {source} {'holds' if n == 1 else 'hold'} 0 and 1 alone."
        for source, n in _noted(rows, SATURATED).items()
    ]


def _scaled(rows: pd.DataFrame) -> list[str]:
    """Sources with maps of 0 to 255: that they are probabilities is what their values suggest."""
    return [
        f"{number_of(n, 'file')} of {source} with values up to 255 {'was' if n == 1 else 'were'} read as probabilities "
        "times 255: save 0 to 1 to be sure."
        for source, n in _noted(rows, BYTES).items()
    ]


def _foreign(rows: pd.DataFrame) -> list[str]:
    """Sources of labels that are not those of the data set: in the whole tumour all labels above 0 count."""
    sentences = []
    for source, n in _noted(rows, FOREIGN).items():
        of = _first_noted(rows, source, FOREIGN)
        which = of["note"].partition(f"{FOREIGN}: ")[2].partition("; ")[0]
        sentences.append(
            f"{number_of(n, 'file')} of {source} {'holds' if n == 1 else 'hold'} labels that the data set does not "
            f"have, such as {which} in {of['case_id']}: they count as tumour."
        )
    return sentences


def _alone(rows: pd.DataFrame) -> list[str]:
    """Sources of labels with some files of label 1 alone, which may be masks of the whole."""
    return [
        f"{number_of(n, 'file')} of {source} {'holds' if n == 1 else 'hold'} the label 1 alone, such as that of "
        f"{_first_noted(rows, source, ALONE)['case_id']}: a mask of the whole tumour among "
        "files of labels would be taken for that label."
        for source, n in _noted(rows, ALONE).items()
    ]


def _archives(rows: pd.DataFrame) -> list[str]:
    """Sources whose probabilities do not belong to their masks, or could not be read; the masks are what counts."""
    sentences = [
        f"The probabilities of {source} give another mask in {number_of(n, 'case')}: post-processing was applied, and "
        "the masks were measured."
        for source, n in _noted(rows, POSTPROCESSED).items()
    ]
    for source, n in _noted(rows, UNREAD).items():
        reason = _first_noted(rows, source, UNREAD)["note"].partition(f"{UNREAD}: ")[2].partition("; ")[0]
        files = number_of(n, ".npz file", ".npz files")
        sentences.append(f"{files} of {source} could not be used, the first since {reason}; its mask was measured.")
    return sentences


def _noted(rows: pd.DataFrame, words: str) -> dict[str, int]:
    """Source to how many of its rows have these words in their note; those without are left out."""
    if "note" not in rows:
        return {}
    counts = rows[rows["note"].str.contains(words, regex=False)]["source"].value_counts()
    return {str(source): int(n) for source, n in counts.items()}


def _first_noted(rows: pd.DataFrame, source: str, words: str) -> "pd.Series[Any]":
    """The first row of a source with these words in its note."""
    return rows[(rows["source"] == source) & rows["note"].str.contains(words, regex=False)].iloc[0]


def _of_the_split(manifest: Manifest, rows: pd.DataFrame) -> list[str]:
    """Warnings where the data set's split has cases or patients of the rows in other parts, but of a cross-validation.

    These are cases of its training part, and patients that it divides.
    """
    try:
        splits = load_splits(manifest.data.folder / SPLITS_FILE)
    except DataError:
        return []
    held_out = [name for name, source in manifest.sources.items() if is_held_out(Path(source.path))]
    cases = set(rows.loc[~rows["source"].isin(held_out), "case_id"])
    sentences = []
    if n := len(cases.intersection(splits.get("train", ()))):
        sentences.append(
            f"{n} of these cases {'is' if n == 1 else 'are'} in the training part of the data set's {SPLITS_FILE}: a "
            f"model that was trained on {'it' if n == 1 else 'them'} scores too well here. Evaluate with --split test "
            "into another folder."
        )
    patients = manifest.patients({*cases, *(case_id for of_part in splits.values() for case_id in of_part)})
    here = {patients[case_id] for case_id in cases}
    parted = [patient for patient in parted_patients(splits, patients.of) if patient in here]
    if parted:
        sentences.append(
            f"The data set's {SPLITS_FILE} has {len(parted)} of these patients in more "
            f"than one part ({named(parted)}): a model that was trained on one scan of a patient scores too well on "
            "another. Make the split again, by patient: afl data split."
        )
    return sentences


def ignored_sentence(manifest: Manifest, rows: pd.DataFrame) -> str:
    """How many lesions and false positives enter no score, as they are small; "" where the results leave out none."""
    matcher, least = MATCHERS.get(manifest.settings.matcher), manifest.settings.least_lesion_voxels
    if matcher is None or not (least > 1 or matcher.ignored_up_to_voxels) or "ignored_lesions" not in rows:
        return ""
    cases = rows.drop_duplicates("case_id")[["ignored_lesions", "reference_lesions"]].fillna(0).astype(int)
    ignored, lesions = cases["ignored_lesions"], cases["reference_lesions"]
    n, of = int(ignored.sum()), number_of(int((ignored > 0).sum()), "case")
    if not least:
        up_to = number_of(matcher.ignored_up_to_voxels, "voxel")
        return (
            f"The matcher {matcher.name} ignores {number_of(n, 'lesion')} of {of}, those up to {up_to}: they enter no "
            "lesion score."
        )
    sentence = (
        f"Lesions and false positives of fewer than {number_of(least, 'voxel')} enter no lesion score: "
        f"{n:,} of {number_of(int(lesions.sum()), 'lesion')}" + (f", in {of}" if n else "") + _ignored_false(rows) + "."
    )
    if lost := int((ignored[lesions > 0] == lesions[lesions > 0]).sum()):
        sentence += f" In {number_of(lost, 'case')} that is every lesion: --least-lesion sets another size."
    return sentence


def _ignored_false(rows: pd.DataFrame) -> str:
    """How many false positives of each source are too small to count; "" where none is, or it was not counted."""
    if "ignored_false_lesions" not in rows:
        return ""
    counts = rows.groupby("source", sort=False)["ignored_false_lesions"].sum(min_count=1).dropna()
    if not counts.any():
        return ""
    return "; and beside the false positives that count, " + ", ".join(
        f"{int(n):,} smaller of {source}" for source, n in counts.items()
    )


def uncounted_sentences(case_ids: Sequence[str]) -> tuple[str, ...]:
    """That measured cases are in no number, as they are not of the data set that counts; () without any."""
    if not case_ids:
        return ()
    some = ", ".join(case_ids[:3]) + (" ..." if len(case_ids) > 3 else "")
    are = number_of(len(case_ids), "measured case is", "measured cases are")
    return (f"{are} in no number here: not, or no longer, among the cases of this data set that count ({some}).",)
