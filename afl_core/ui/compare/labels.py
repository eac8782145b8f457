"""The labels of a case for the slices: read where several regions were measured."""

from collections.abc import Sequence

from afl_core.analysis.label_maps import LabelMaps, load_label_maps
from afl_core.errors import AflError
from afl_core.evaluation.comparison import Comparison
from afl_core.ui.shared.workspace import open_results


def regions_of(workspace: Comparison) -> dict[str, Comparison]:
    """Region to the comparison of it, of every region that was measured."""
    return {region: open_results(workspace.results.folder, region) for region in workspace.regions}


def label_stamps(workspace: Comparison, case_id: str, sources: Sequence[str]) -> str:
    """Changes whenever a mask that labels are read from does; "" where one region was measured."""
    if len(workspace.regions) < 2:
        return ""
    files = [of.mask_file(case_id, source) for of in regions_of(workspace).values() for source in sources]
    return repr([(str(path), path.stat().st_mtime_ns) for path in files if path.is_file()])


def read_labels(workspace: Comparison, case_id: str, sources: Sequence[str]) -> tuple[LabelMaps | None, str]:
    """The labels of a case, and why there are none, or ""; None too where no file tells labels apart."""
    if len(workspace.regions) < 2:
        return None, ""
    try:
        labels = load_label_maps(regions_of(workspace), case_id, sources)
    except AflError as error:
        return None, f"The labels are not shown in colours. {error}"
    return (labels if len(labels.names) > 1 else None), ""
