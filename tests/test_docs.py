"""The documentation: it builds strictly, needs no network to be read, and its commands and links exist."""

import doctest
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.main import get_command

from afl_core.cli.main import COMMANDS, app, load_command
from afl_core.metrics.table import METRICS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "reference" not in path.relative_to(DOCS).parts)
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))
TEXTS = [ROOT / "README.md", *PAGES]
INLINE = re.compile(r"`(?:afl|make) [^`]+`")
FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def command_lines(start):
    found = []
    for page in TEXTS:
        text = page.read_text()
        lines = [line for block in FENCE.findall(text) for line in block.splitlines()]
        for line in [*lines, *(span.strip("`") for span in INLINE.findall(text))]:
            words = shlex.split(line, comments=True)
            if words and Path(words[0]).name == start:
                found.append(pytest.param(words[1:], id=f"{page.name}: {line[:60]}"))
    return found


class Addresses(HTMLParser):
    """What a page of the site loads, and where its links lead."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.links = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag in {"script", "img", "iframe", "source"} and values.get("src"):
            self.loads.append(values["src"])
        if tag == "link" and values.get("rel") in {"stylesheet", "preload", "preconnect", "icon"}:
            self.loads.append(values["href"])
        if tag == "a" and values.get("href"):
            self.links.append(values["href"].partition("#")[0])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", str(DOCS), str(folder)]
    built = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_reached_from_the_first(site):
    seen, todo = set(), [site / "index.html"]
    while todo:
        page = todo.pop()
        if page in seen or page.suffix != ".html":
            continue
        seen.add(page)
        links = Addresses(page.read_text()).links
        todo += [(page.parent / link).resolve() for link in links if link and ":" not in link]
    assert all(page.is_file() for page in seen)
    expected = {(site / page.relative_to(DOCS)).with_suffix(".html").resolve() for page in PAGES}
    expected |= {(site / "reference" / f"{name}.html").resolve() for name in ("commands", "metrics", "names")}
    assert expected <= {page.resolve() for page in seen}


def test_no_page_loads_anything_from_elsewhere(site):
    loads = [address for page in site.rglob("*.html") for address in Addresses(page.read_text()).loads]
    assert loads
    assert not [address for address in loads if re.match(r"(https?:)?//", address)]
    sheets = "".join(sheet.read_text() for sheet in site.rglob("*.css"))
    assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", sheets)


def test_the_reference_has_every_command_and_metric(site):
    commands, metrics = ((site / "reference" / f"{name}.html").read_text() for name in ("commands", "metrics"))
    assert all(f"afl {name}" in commands for name in COMMANDS)
    assert all(f">{key}<" in metrics for key in METRICS)


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_runs_as_it_is_printed(page, tmp_path):
    failed, tried = doctest.testfile(str(page), module_relative=False, globs={"work": tmp_path})
    assert tried > 5
    assert failed == 0


@pytest.mark.parametrize("words", command_lines("afl"))
def test_a_command_of_the_texts_has_the_options_that_it_names(words):
    if words[0].startswith("-"):
        assert words[0] in {name for option in get_command(app).params for name in option.opts} | {"--help"}
        return
    command, rest = load_command(words[0]), words[1:]
    while hasattr(command, "commands"):
        command, rest = command.commands[rest[0]], rest[1:]
    if "--help" not in rest:
        parser = command.make_parser(command.context_class(command))
        assert parser.parse_args(rest)[1] == []  # an unknown option is an error of its own


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.name)
def test_a_block_that_needs_data_or_time_says_so(page):
    text = page.read_text()
    assert not re.search(r"^```\n(\S*/)?(afl|make) ", text, re.MULTILINE), "the block is not marked as sh"
    for block in FENCE.finditer(text):
        commands = {words[1] for line in block[1].splitlines() if (words := line.split())[:1] == ["afl"]}
        if commands - {"demo", "app"}:
            assert re.search(r"<!-- needs [^\n]+ -->\n\Z", text[: block.start()]), block[1]


@pytest.mark.parametrize("words", command_lines("make"))
def test_a_target_of_the_texts_is_in_the_makefile(words):
    assert re.search(rf"^{re.escape(words[0])}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if ":" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists() or file.parent == DOCS / "reference", target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}, target
