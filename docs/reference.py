"""The reference pages that follow from the code: commands, metrics and the Python API. `conf.py` writes them anew."""

from pathlib import Path
from typing import Any

from afl_core.analysis.breakdown.measures import MEASURES, Measure
from afl_core.cli.main import COMMANDS, load_command
from afl_core.metrics.metric import Metric
from afl_core.metrics.table import METRICS

EXIT_STATUS = """## Exit status

| status | means |
|---|---|
| 0 | everything went well |
| 1 | a finding: an error in `afl data check`; with `--strict`, a case that failed or a prediction that is missing |
| 2 | wrong input, or nothing could be done |
| 130 | stopped with Ctrl-C |
"""
BETTER = {"higher": "higher values", "lower": "lower values", "zero": "values nearer to 0"}
API = """# Names of the Python API

[From Python](../api.md) shows them at work. The files that they write have a form of their own:
[manifest.json](../schemas/manifest.schema.json), [breakdown.json](../schemas/breakdown.schema.json) and
[xray.json](../schemas/xray.schema.json), as JSON Schemas.

```{eval-rst}
.. automodule:: afl_core.api
   :members: DataOptions, ResultTables, evaluate, open_results, breakdown
.. autofunction:: afl_core.api.describe
.. autofunction:: afl_core.metrics.evaluate_masks
.. autofunction:: afl_core.loss.build_loss
.. autofunction:: afl_core.loss.factors
.. autofunction:: afl_core.model.networks.build_model
```
"""


def write(folder: Path) -> None:
    """Write the pages into the folder; a page that is the same stays as it is, so that it is not built again."""
    folder.mkdir(exist_ok=True)
    for name, text in {"commands": commands(), "metrics": metrics(), "names": API}.items():
        page = folder / f"{name}.md"
        if not page.exists() or page.read_text() != text:
            page.write_text(text)


def metrics() -> str:
    """One entry a metric: definition, unit, better values, empty rule and source; then those of single lesions."""
    lead = "# Metrics\n\nOne entry a row of `METRICS`, the table from which every page, report and command reads.\n"
    lesions = "# Metrics of single lesions\n\nColumns of lesion rows, which Breakdown compares lesion by lesion.\n"
    entries = [*map(_metric, METRICS.values()), lesions, *map(_lesion_metric, MEASURES["lesion"].values())]
    return "\n".join([lead, *entries])


def _metric(metric: Metric) -> str:
    low, high = metric.range
    return (
        f"## {metric.label}\n\n{metric.definition}\n\n"
        f"- Column: `{metric.key}`\n- Unit: {metric.unit or 'none'}\n- Range: {low:g} to {high:g}\n"
        f"- Better: {BETTER[metric.better]}\n- Empty masks: {metric.empty_rule}\n- Source: {metric.source}\n"
    )


def _lesion_metric(measure: Measure) -> str:
    return (
        f"## {measure.label}\n\n{measure.definition}\n\n- Column: `{measure.key}`\n- Unit: {measure.unit or 'none'}\n"
        f"- Better: {BETTER[measure.better]}\n- Empty masks: {measure.empty_rule}\n"
        "- Source: this project; the definitions are those of the whole mask, the pairs those of the chosen matcher\n"
    )


def commands() -> str:
    """One entry a command: its line, and its arguments and options with their defaults."""
    lead = "# Commands\n\n`afl --help` lists them; `afl COMMAND --help` says the same as this page.\n"
    return "\n".join([lead, EXIT_STATUS, *(_command(f"afl {name}", load_command(name)) for name in COMMANDS)])


def _command(title: str, command: Any) -> str:
    text, _, example = (command.help or "").partition("Example:")
    parts = [f"## {title}\n\n{_plain(text)}\n"]
    if example:
        parts.append(f"```sh\n{' '.join(example.split())}\n```\n")
    rows = [_option(option) for option in command.params if not option.hidden]
    if rows:
        parts.append("| option | does | default |\n|---|---|---|\n" + "\n".join(rows) + "\n")
    parts += [_command(f"{title} {name}", part) for name, part in getattr(command, "commands", {}).items()]
    return "\n".join(parts)


def _option(option: Any) -> str:
    names = [option.name.upper()] if option.param_type_name == "argument" else [*option.opts, *option.secondary_opts]
    default = option.default
    shown = "" if default is None or callable(default) or default in ((), [], False) else f"`{default}`"
    return f"| {', '.join(f'`{name}`' for name in names)} | {_plain(option.help or '')} | {shown} |"


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
