"""Files of our own that somebody edited or a disk damaged: every reader of them must say so, and go on.

python benchmarks/edits.py [--edits N] [--seed N]

A small home is made whole, one file of it is changed, and pages and commands that read it are run. It ends with 0 where
no change gave a traceback, an error that nobody foresaw, an endless wait, or trouble in results beside those changed.
"""

import argparse
import contextlib
import io
import json
import logging
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BOUND_S = 90
"""No page and no command may take longer on a home of six small cases."""

UNFORESEEN = ("An unexpected error", "Traceback", "Something went wrong", "There is not enough memory")

MEMORY = 16 * 2**30
"""Address space of the process: a device that never ends must not take the machine's memory."""

_SETTINGS = ("steps=2", "patch_size=[16,16,16]", "validate_every=1", "batch_size=1")
SMALL = tuple(part for text in _SETTINGS for part in ("--set", text))
"""A training that takes a second."""

HOSTILE = ("../../x", "/etc/passwd", "<script>alert(1)</script>", "a\0b", "", "x" * 5000, "\u202e", "\ud800", "-", ".")
NUMBERS = (float("nan"), float("inf"), -float("inf"), 1e308, -1, 0, 10**400, 2**63, True, 0.5, -0.0)
OTHERS = (None, [], {}, [[]], {"a": {"b": 1}}, ["a", 1, None], {"": ""}, *HOSTILE, *NUMBERS)


def make_home(home: Path) -> None:
    """A cohort, two results folders of it, a checkpoint, and training runs that are finished, stopped and failed."""
    from kills import CONFIG  # noqa: PLC0415 - the home is an environment variable, which is read at import

    from afl_core.training.run_records import RunSpec, RunStatus  # noqa: PLC0415
    from afl_core.training.runs import create_run  # noqa: PLC0415

    data = home / "cohort"
    _write_cohort(data)
    result = home / "data" / "results"
    run(["train", "--data", str(data), "--loss", "focal", "--name", "done", "--sequences", "t1", *SMALL])
    shutil.copytree(home / "models" / "runs" / "done" / "checkpoint", home / "models" / "net")
    for name, sources in (("made", ("A", "B")), ("other", ("A", "B"))):
        given = [part for source in sources for part in ("--source", f"{source}={home / source}")]
        run(["evaluate", "--data", str(data), *given, "--out", str(result / name), "--workers", "1"])
    net = ["--source", f"net={home / 'models' / 'net'}", "--case", "case_4", "--workers", "1"]
    run(["evaluate", "--data", str(data), *net, "--out", str(result / "made")])
    job = {"state": "failed", "message": "x", "done": 1, "total": 2, "pid": 0, "updated": 1.0}
    for name in (".every", "case_0"):
        _write(result / "made" / "jobs" / name / "status.json", json.dumps(job))
        spec = {"data": str(data), "case_id": name, "sources": [f"A={home / 'A'}"], "measured": True}
        _write(result / "made" / "jobs" / name / "spec.json", json.dumps(spec))
    for state in ("stopped", "failed", "waiting"):
        made = create_run(state, RunSpec(config=CONFIG, data=data, command="", created=time.time()))
        made.write_status(RunStatus(state, "x", 0, 40))  # type: ignore[arg-type]
    stopped = home / "models" / "runs" / "stopped"
    for name in ("last.pt", "metrics.jsonl", "splits.json", "run.json"):
        if (found := home / "models" / "runs" / "done" / name).is_file():
            shutil.copy(found, stopped / name)
    run(["demo"])
    for page in ("loss_xray", "breakdown", "data"):
        visit(page, results="made")


def _write_cohort(data: Path) -> None:
    import nibabel as nib  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415

    rng, grid = np.random.default_rng(0), np.indices((24, 24, 16))
    names = [f"case_{number}" for number in range(6)]
    for number, name in enumerate(names):
        for k, place in enumerate((data / "masks", data.parent / "A", data.parent / "B")):
            mask = ((grid - np.array([12 + k, 12, 8])[:, None, None, None]) ** 2).sum(0) < (3 + number) ** 2
            files = {place / f"{name}.nii.gz": mask.astype(np.uint8)}
            if k == 0:
                image = rng.normal(100, 10, mask.shape) + 80 * mask
                files[data / "scans" / f"{name}_t1.nii.gz"] = image.astype(np.float32)
            for path, array in files.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                nib.save(nib.Nifti1Image(array, np.diag([2.0, 2.0, 3.0, 1.0])), path)
    layout = 'label = "made"\nreference = "masks/{case}.nii.gz"\nlabels = "binary"\n'
    _write(data / "afl-layout.toml", layout + '\n[images]\nt1 = "scans/{case}_t1.nii.gz"\n')
    _write(data / "splits.json", json.dumps({"train": names[:3], "validation": names[3:4], "test": names[4:]}))
    rows = "".join(f"{name}\tp{number}\n" for number, name in enumerate(names))
    _write(data / "participants.tsv", "participant_id\tage\n" + rows)
    _write(data / "patients.csv", "case_id,patient\n" + rows.replace("\t", ","))
    other = data.parent / "Task01_made"
    for place, old in (("imagesTr", "scans/case_4_t1.nii.gz"), ("labelsTr", "masks/case_4.nii.gz")):
        (other / place).mkdir(parents=True)
        shutil.copy(data / old, other / place / "case_4.nii.gz")
    said = {
        "name": "made",
        "tensorImageSize": "3D",
        "modality": {"0": "T1"},
        "labels": {"0": "background", "1": "tumour"},
    }
    said |= {"numTraining": 1, "numTest": 0, "test": []}
    said |= {"training": [{"image": "./imagesTr/case_4.nii.gz", "label": "./labelsTr/case_4.nii.gz"}]}
    _write(other / "dataset.json", json.dumps(said))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def edit(path: Path) -> str:
    """Change a file in a way drawn at random; says which."""
    ways: list[Callable[[Path], str | None]] = [
        _empty,
        _cut,
        _flip,
        _noise,
        _not_utf8,
        _folder,
        _dangling,
        _pipe,
        _gone,
    ]
    own = {".json": [_json, _json_text], ".jsonl": [_lines], ".parquet": [_table], ".toml": [_lines], ".tsv": [_lines]}
    own[".csv"] = own[".tsv"]
    ways += own.get(path.suffix, []) * len(ways)  # most changes are those that a parser lets through
    before = path.read_bytes()
    while True:
        way = random.choice(ways)
        said = way(path)
        if not path.is_file() or path.is_symlink() or path.read_bytes() != before:
            return f"{way.__name__[1:]} {said or ''}".strip()


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: random.randrange(len(data) or 1)])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes() or b"x")
    for _ in range(random.randint(1, 20)):
        data[random.randrange(len(data))] = random.randrange(256)
    path.write_bytes(bytes(data))


def _noise(path: Path) -> None:
    path.write_bytes(random.randbytes(random.randint(1, 5000)))


def _not_utf8(path: Path) -> None:
    data = path.read_bytes()
    at = random.randrange(len(data) + 1)
    path.write_bytes(data[:at] + b"\xff\xfe\x00" + data[at:])


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to(random.choice(("nowhere", path.name, "/dev/zero", "..")))


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _gone(path: Path) -> None:
    path.unlink()


def _no_folder(path: Path) -> None:
    shutil.rmtree(path.parent)
    path.parent.write_bytes(b"")


def _json(path: Path) -> str:
    """Another value, a key less or a key more, anywhere."""
    whole: dict[str, Any] = {"": json.loads(path.read_text())}
    places = list(_places(whole))
    holder, key = random.choice(places)
    what = random.choice(("value", "value", "value", "less", "more"))
    value = random.choice(OTHERS)
    if what == "value":
        holder[key] = value
    elif what == "less" and holder is not whole:
        del holder[key]
    elif isinstance(holder, dict):
        holder[random.choice(("extra", *HOSTILE))] = value
    else:
        holder.append(value)
    path.write_text(json.dumps(whole.get("")))
    return f"{what} at {key}: {str(value)[:40]!r}"


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def _json_text(path: Path) -> str:
    """What a JSON library would not write."""
    text = path.read_text().strip()
    deep = random.choice((100, 100_000))
    found = {
        "deep": "[" * deep + "]" * deep,
        "deep object": '{"a":' * deep + "1" + "}" * deep,
        "twice": '{"data": 1, "config": 1, "state": 1, ' + text[1:] + "," if text.startswith("{") else text * 2,
        "key twice": "{" + f"{text[1:-1]}, {text[1:-1]}" + "}",
        "BOM": "\ufeff" + text,
        "two": text + text,
        "long number": "9" * 10_000,
        "constant": random.choice(("null", "NaN", "-Infinity", "true", '"x"', "[]", "{}", "[{}]", "1e999")),
        "comma": text[:-1] + ",}",
        "half": text.replace('": "', '": "\\ud800', 1),
    }
    name = random.choice(list(found))
    path.write_text(found[name])
    return name


def _lines(path: Path) -> str:
    """A line less, twice, or with another value in it."""
    lines = path.read_text().splitlines()
    at = random.randrange(len(lines) or 1)
    line = lines.pop(at) if lines else ""
    marks = [mark for mark in "\t,=:{}" if mark in line] or [line[:1]]
    mark = random.choice(marks)
    other = random.choice((*HOSTILE, *(json.dumps(value) for value in OTHERS)))
    head, *rest = line.split(mark) if mark else [line]
    new = {
        "less": [],
        "twice": [line, line],
        "value": [mark.join([head, other, *rest[1:]])],
        "name": [mark.join([other, *rest])],
        "deep": [head + mark + "[" * 50_000],
        "quote": [line + '"'],
        "long": [line + "x" * 200_000],
    }
    what = random.choice(list(new))
    text = "\n".join([*lines[:at], *new[what], *lines[at:]]) + "\n"
    path.write_bytes(text.encode(errors="surrogatepass"))
    return f"{what} in line {at}: {other[:40]!r}"


def _table(path: Path) -> str:
    """Another column, kind of values, or set of rows."""
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    table = pd.read_parquet(path)
    name = random.choice(list(table))
    what, kept = random.choice(("drop", "kind", "cell", "rows", "attributes", "index")), dict(table.attrs)
    if what == "drop":
        table = table.drop(columns=name)
    elif what == "kind":
        n = len(table)
        kinds: tuple[Any, ...] = ("<i>x</i>", None, np.inf, -1, True, 10**18, pd.Timestamp(0), 1e308, b"\xff")
        kinds += ([[1, "a"][:1]] * n, [{"a": 1}] * n, pd.Categorical(["x"] * n), ["../../x"] * n)
        table[name] = random.choice(kinds)
    elif what == "cell":
        column, value = table[name].astype(object), random.choice((None, "x", "../../x", 1e308, -1.5, np.inf, b"\xff"))
        column.iloc[random.randrange(len(column))] = value
        same = all(isinstance(v, type(value)) for v in column)
        table[name] = column if same else column.astype(str) if isinstance(value, str) else table[name].map(lambda v: v)
        if not same and isinstance(value, float) and table[name].dtype.kind in "fiu":
            table[name] = column.astype(float)
    elif what == "rows":
        table = random.choice((pd.concat([table, table]), table.iloc[:0], table.iloc[:1], table.iloc[::-1]))
    elif what == "index":
        table = table.set_index(name)
    table.attrs = kept
    if what == "attributes":
        table.attrs = random.choice(({}, {"key": 1}, {**kept, "problems": 5}, {**kept, "problems": {"a": [1]}}))
    table.to_parquet(path)
    return f"{what} {name}"


def run(arguments: Sequence[str]) -> str:
    """What a command printed; its exit status does not matter."""
    from afl_core.cli.main import main  # noqa: PLC0415 - the home is an environment variable, which is read at import

    before, sys.argv = sys.argv, ["afl", *arguments]
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), contextlib.suppress(SystemExit):
            main()
    finally:
        sys.argv = before
    return said.getvalue()


def visit(page: str, **query: str) -> str:
    """What a page says is wrong, and the trace of what it did not catch."""
    import streamlit as st  # noqa: PLC0415
    from streamlit.testing.v1 import AppTest  # noqa: PLC0415

    st.cache_data.clear()
    st.cache_resource.clear()
    here = sys.modules["__main__"]
    shown = AppTest.from_file(str(ROOT / "app.py"), default_timeout=BOUND_S)
    for key, value in query.items():
        if key == "folder":
            shown.session_state["asked folder"] = value
        else:
            shown.query_params[key] = value
    shown.run()
    if page != "overview" and not shown.exception:
        shown.switch_page(f"pages/{page}.py").run()
    sys.modules["__main__"] = here  # the script took its place, and workers of a command begin with it
    caught = [f"Traceback: {error.message} {' '.join(error.stack_trace[-3:])}" for error in shown.exception]
    return "\n".join([*caught, *(error.value for error in shown.error)])


Reader = tuple[str, Callable[[], str]]


def readers(home: Path, path: Path) -> list[Reader]:
    """Pages and commands that read a file of the home; one of each kind is drawn for a change."""
    from afl_core.evaluation.job import run_job  # noqa: PLC0415 - the home is an environment variable

    inside = path.relative_to(home).parts
    data, made, out = home / "cohort", home / "data" / "results" / "made", home / "out"
    sources = ["--source", f"A={home / 'A'}", "--source", f"B={home / 'B'}"]
    evaluate = ["evaluate", "--data", str(data), *sources, "--out", str(made), "--workers", "1"]
    commands = [evaluate, [*evaluate, "--split", "test"], ["data", "check", str(data)]]
    commands += [["breakdown", str(made), "--out", str(out)], ["report", str(made), "--out", str(out / "r.html")]]
    commands += [["figure", str(made), "--out", str(out / "f.png")], ["xray", "--data", str(data), "--out", str(out)]]
    pages = [(page, {"results": "made"}) for page in ("overview", "compare", "breakdown", "loss_xray", "training")]
    pages += [("compare", {"results": "made", "case": "case_4"}), ("data", {"folder": str(data)})]
    if "cohort" in inside:
        patients = ["--patients", str(data / "patients.csv")]
        commands += [["data", "check", str(data), *patients], [*evaluate, *patients]] * 2
        commands += [["data", "split", str(data), "--out", str(out / "s.json")]]
        commands += [["train", "--data", str(data), "--loss", "focal", "--sequences", "t1", *SMALL]]
    if "models" in inside:
        run_name = inside[2] if inside[1] == "runs" and len(inside) > 2 else "stopped"
        pages = [("training", {"run": run_name})] * 3 + pages
        nets = [f"x={home / 'models' / name}" for name in ("net", "runs/done/checkpoint")]
        commands = [[*evaluate[:3], "--source", net, *evaluate[-4:]] for net in nets]
        commands += [["train", "--resume", run_name], ["doctor"]]
    if (folder := inside[0]) == "Task01_made":
        pages = [("data", {"folder": str(home / folder)})]
        commands = [["data", "check", str(home / folder)], ["xray", "--data", str(home / folder)]]
    if "demo" in inside:
        pages = [("data", {"folder": str(home / "data" / "demo")})]
        commands = [["demo"], ["data", "check", str(home / "data" / "demo")]]
    page, query = random.choice(pages)
    command = random.choice(commands)
    found: list[Reader] = [
        (f"{page} {query}", lambda: visit(page, **query)),
        (" ".join(command), lambda: run(command)),
    ]
    if "jobs" in inside and path.parent.is_dir():
        found.append(("job", lambda: str(run_job(path.parent))))
    if ("made" in inside or "models" in inside) and page != "training":  # which lists every run, the failed one too
        found.append(("beside", lambda: "".join(f"beside: {line}" for line in [visit(page, results="other")] if line)))
    return found


def read(reader: Callable[[], str]) -> str:
    """What was wrong, or "": a foreign exception, an error that nobody foresaw, or no end."""

    def give_up(*_: object) -> None:
        raise TimeoutError("no end")

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(BOUND_S + 5)
    try:
        said = reader()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is counted
        return "Traceback: " + "".join(traceback.format_exception(error)[-3:])
    finally:
        signal.alarm(0)
    return said if said.startswith("beside") or any(word in said for word in UNFORESEEN) else ""


def run_edits(home: Path, count: int) -> int:
    """Change so many files, one at a time; gives how often something was wrong or unforeseen."""
    whole = home.with_name("whole")
    home.rename(whole)
    files = [path.relative_to(whole) for path in sorted(whole.rglob("*")) if path.is_file() and is_own(path)]
    wrong, last_resort, tried = list[str](), 0, Counter[str]()
    for number in range(1, count + 1):
        shutil.copytree(whole, home, symlinks=True)
        path = home / random.choice(files)
        said = edit(path)
        tried[said.split()[0]] += 1
        for name, reader in readers(home, path):
            if fault := read(reader):
                wrong.append(f"{path.relative_to(home)} {said}\n  read by {name}\n  {fault}")
                print(wrong[-1], flush=True)
        for log in home.rglob("errors.log"):
            last_resort += 1
            print(f"{path.relative_to(home)} {said}\n  {log.read_text()}", flush=True)
        shutil.rmtree(home)
        if number % 25 == 0 or number == count:
            print(f"{number} of {count} edits, {len(wrong)} faults, {last_resort} in a log", flush=True)
    print(json.dumps({"files": len(files), "kinds": dict(tried)}))
    return len(wrong) + last_resort


def is_own(path: Path) -> bool:
    """Whether a file means something to a reader: no lock, and of images no more than one each."""
    return path.suffix != ".lock" and path.name != "lock" and (path.suffix != ".gz" or "case_4" in path.name)


def main(arguments: list[str] | None = None) -> int:
    """Run it; gives how many faults there are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    random.seed(asked.seed)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        os.environ["AFL_HOME"] = str(home)
        make_home(home)
        wrong = run_edits(home, asked.edits)
        print(f"{asked.edits} edits, {wrong} faults")
    return wrong


if __name__ == "__main__":
    sys.exit(main() > 0)
