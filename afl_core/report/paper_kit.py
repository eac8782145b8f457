"""What a paper takes from a comparison: tables, a methods paragraph and its references, as files."""

import re
from collections.abc import Collection, Mapping, Sequence
from io import BytesIO
from types import MappingProxyType
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from afl_core.analysis.breakdown.export import JSON, export_files
from afl_core.analysis.breakdown.overall import overall
from afl_core.analysis.breakdown.regions import RegionBreakdown
from afl_core.report.findings import Findings
from afl_core.report.paper_methods import doubts, latex_methods, markdown_methods, methods
from afl_core.report.paper_protocols import protocol_tables
from afl_core.report.paper_references import bibtex
from afl_core.report.paper_tables import (
    PaperTable,
    as_exact_csv,
    as_latex,
    as_markdown,
    as_printed_csv,
    bins_table,
    differences_table,
    sources_table,
)

FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "latex": "LaTeX: .tex tables with booktabs, methods.tex, and main.tex that shows them all",
        "markdown": "Markdown: .md tables and methods.md, with citations for Pandoc",
        "docx_table_csv": "_printed.csv tables with rounded numbers, to paste into a word processor",
    }
)
"""Formats of the kit; references.bib, breakdown.json and a .csv in full precision a table always come along."""


def paper_kit(findings: Findings, formats: Collection[str] = tuple(FORMATS)) -> dict[str, bytes]:
    """File name to content.

    Args:
        findings: The results folder, and the breakdown that the tables show.
        formats: Keys of `FORMATS`.
    """
    opened = findings.comparison
    metrics = overall((opened.rows, opened.lesions), opened.manifest, findings.options)
    tables = [t for t in (sources_table(metrics, findings), bins_table(findings), differences_table(findings)) if t]
    tables += protocol_tables(findings)
    statements, caveats = methods(metrics, findings), doubts(findings)
    files: dict[str, str] = {}
    for table in tables:
        files |= _table_files(table, formats)
    if "latex" in formats:
        files["methods.tex"] = latex_methods(statements, caveats)
        files["main.tex"] = _main([table.name for table in tables])
    if "markdown" in formats:
        files["methods.md"] = markdown_methods(statements, caveats)
    files["references.bib"] = bibtex(key for statement in statements for key in statement.keys)
    document = export_files(findings.breakdown, findings.options, opened.manifest, results=opened.name)[JSON]
    return {name: text.encode() for name, text in files.items()} | {JSON: document}


def regions_kit(
    regions: Sequence[RegionBreakdown], command: str, formats: Collection[str] = tuple(FORMATS)
) -> dict[str, bytes]:
    """The kit of each region in a folder of its name; Holm's correction is over the tests of all of them."""
    files: dict[str, bytes] = {}
    for of in regions:
        folder = re.sub(r"[^A-Za-z0-9_-]+", "_", of.comparison.region)
        kit = paper_kit(Findings(of.breakdown, of.options, of.comparison, command), formats)
        files |= {f"{folder}/{name}": content for name, content in kit.items()}
    return files


def zipped(files: Mapping[str, bytes]) -> bytes:
    """The files as a ZIP; the same files give the same bytes."""
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = ZipInfo(name)
            entry.compress_type = ZIP_DEFLATED
            archive.writestr(entry, content)
    return buffer.getvalue()


def _table_files(table: PaperTable, formats: Collection[str]) -> dict[str, str]:
    files = {f"{table.name}.csv": as_exact_csv(table)}
    if "latex" in formats:
        files[f"{table.name}.tex"] = as_latex(table)
    if "markdown" in formats:
        files[f"{table.name}.md"] = as_markdown(table)
    if "docx_table_csv" in formats:
        files[f"{table.name}_printed.csv"] = "\ufeff" + as_printed_csv(table)  # by which Excel and Word know UTF-8
    return files


def _main(tables: list[str]) -> str:
    inputs = "".join(f"\\input{{{name}}}\n" for name in tables)
    return (
        "% pdflatex main, bibtex main, and pdflatex main twice\n"
        "\\documentclass{article}\n\\usepackage[T1]{fontenc}\n\\usepackage[utf8]{inputenc}\n\\usepackage{textcomp}\n"
        "\\usepackage[a4paper,margin=2cm,landscape]{geometry}\n\\usepackage{booktabs}\n\\usepackage{longtable}\n"
        "\\usepackage{url}\n\\begin{document}\n\\input{methods}\n"
        f"{inputs}\\bibliographystyle{{plain}}\n\\bibliography{{references}}\n\\end{{document}}\n"
    )
