"""Damaged and changed image files: each must give what a second reader reads, or an `AflError`, in little memory.

Half of the files are wounded at random places; the other half have headers with other values that files do have, in
meaningful places. What is read is compared with nibabel and with ITK (`second_readers.py`).

python benchmarks/fuzz.py [--files N] [--seed N] [--only .nrrd] [--json FILE] [--keep FOLDER]
"""

import argparse
import gzip
import json
import os
import random
import re
import resource
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import IO

import nibabel as nib
import numpy as np
import SimpleITK as sitk  # noqa: N813
from second_readers import change, difference, sound_files

from afl_core.data.formats.files import load_mask, load_volume
from afl_core.errors import AflError

LIMIT = 2**31
"""Bytes of address space that a file may take on top of what the process had: 2 GiB."""

FINE = ("volume", "error")

NUMBERS = (0, 1, -1, 2, 3, 4, 7, 127, 255, 32767, -32768, 65535, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 10**18)
FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-30, 1e30, float("nan"), float("inf"), float("-inf"))
WORDS = ("MET_DOUBLE", "MET_CHAR", "MET_ULONG_LONG", "MET_FLOAT_ARRAY", "True", "False", "LIST", "LOCAL", "/etc/passwd")
WORDS += (
    "../x.raw",
    "slice_%05d.raw",
    "nan",
    "inf",
    "1e309",
    "30000",
    "-3",
    "99999999999999999999",
    "",
    "\0",
    "é",
    "RAI",
)


def seeds(folder: Path) -> list[tuple[str, bytes]]:
    """Sound files of every kind that is read, small ones: suffix and content."""
    rng = np.random.default_rng(0)
    array = rng.integers(0, 3, (5, 6, 7))
    made = list[tuple[str, bytes]]()
    for kind, dtype in ((nib.Nifti1Image, np.uint8), (nib.Nifti1Image, np.int16), (nib.Nifti2Image, np.float32)):
        image = kind(array.astype(dtype), np.diag([1.0, 2.0, 3.0, 1.0]))
        made += [(".nii", image.to_bytes()), (".nii.gz", gzip.compress(image.to_bytes(), mtime=0))]
    for suffix, zipped in ((".mha", False), (".mha", True), (".nrrd", False), (".nrrd", True)):
        path = folder / f"seed{suffix}"
        sitk.WriteImage(sitk.GetImageFromArray(array.astype(np.int16)), str(path), useCompression=zipped)
        made.append((suffix, path.read_bytes()))
    return made


def mutate(suffix: str, data: bytes, rng: random.Random) -> bytes:
    """Content with one to four wounds, in the header, in the payload or in the gzip stream around both."""
    zipped = suffix == ".nii.gz" and rng.random() < 0.8
    data = gzip.decompress(data) if zipped else data
    for _ in range(rng.randint(1, 4)):
        kinds = [_flip, _cut, _insert, _repeat] + ([_text] * 6 if suffix in (".mha", ".nrrd") else [_field] * 6)
        data = rng.choice(kinds)(data, rng)
    return gzip.compress(data, 1, mtime=0) if zipped else data


def _flip(data: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, as often in the first 400 as anywhere."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 8) if out else 0):
        out[rng.randrange(min(400, len(out)) if rng.random() < 0.5 else len(out))] = rng.randrange(256)
    return bytes(out)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randint(0, len(data))]


def _insert(data: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.randbytes(rng.choice((1, 2, 16, 400))) + data[at:]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    start = rng.randint(0, len(data))
    part = data[start : start + rng.choice((1, 8, 348))]
    return data[:start] + part + data[start:]


def _field(data: bytes, rng: random.Random) -> bytes:
    """An extreme number in a place where the header keeps one: dimensions, type, offset, scaling, affine."""
    at, code = rng.choice([(40 + 2 * i, "<h") for i in range(8)] + [(70, "<h"), (72, "<h"), (252, "<h"), (254, "<h")])
    if rng.random() < 0.5:
        at, code = rng.choice([(i, "<f") for i in (76, 80, 84, 88, 108, 112, 116, *range(256, 328, 4))])
    if data[:4] == b"\x1c\x02\0\0":  # NIfTI-2
        at, code = rng.choice(
            [(16 + 8 * i, "<q") for i in range(8)] + [(12, "<h"), (14, "<h"), (168, "<q"), (176, "<d")]
        )
    value = rng.choice(FLOATS) if code[1] in "fd" else rng.choice(NUMBERS)
    if code[1] in "hq":
        bits = 8 * struct.calcsize(code)
        value = (int(value) + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)
    field = struct.pack(code, value)
    return data[:at] + field + data[at + len(field) :]


def _text(data: bytes, rng: random.Random) -> bytes:
    """A line of the header with another value, twice, or not at all."""
    lines = data.split(b"\n")
    at = rng.randrange(min(14, len(lines)))
    mark = b" = " if b" = " in lines[at] else b": "
    key, _, value = lines[at].partition(mark)
    kind = rng.random()
    if kind < 0.15:
        del lines[at]
    elif kind < 0.3:
        lines.insert(rng.randrange(min(14, len(lines))), lines[at])
    elif kind < 0.65 and re.search(rb"\d", value):
        numbers = value.split()
        numbers[rng.randrange(len(numbers))] = str(rng.choice(NUMBERS + FLOATS)).encode()
        lines[at] = key + mark + b" ".join(numbers)
    else:
        lines[at] = key + mark + rng.choice(WORDS).encode()
    return b"\n".join(lines)


def outcome(load: Callable[[Path], object], path: Path, noise: IO[bytes]) -> str:
    """`volume`, `error`, or what must not be: a traceback, or a word on stderr, which `noise` takes meanwhile."""
    kept = os.dup(2)
    os.dup2(noise.fileno(), 2)
    try:
        load(path)
        said = "volume"
    except AflError:
        said = "error"
    except BaseException:  # noqa: BLE001 - the one thing looked for
        said = traceback.format_exc()
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
    noise.seek(0)
    heard = noise.read().decode(errors="replace")
    noise.seek(0)
    noise.truncate()
    return f"{said}, and on stderr: {heard}" if heard else said


def run(files: int, seed: int, keep: Path | None = None, *, only: str = "") -> dict[str, object]:
    """Mutate and read, files of one ending only if it is given; what was found, memory and time."""
    rng = random.Random(seed)
    counts, failures, kept = Counter[str](), list[str](), 0
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryFile() as noise,
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name,
    ):
        sound, whole = (
            [(suffix, data) for suffix, data in made if only in ("", suffix)]
            for made in (seeds(Path(name)), sound_files(Path(name)))
        )
        for suffix, data in sound:
            (Path(name) / f"sound{suffix}").write_bytes(data)
            load_volume(Path(name) / f"sound{suffix}")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        virtual = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (virtual + LIMIT, resource.RLIM_INFINITY))
        start = time.perf_counter()
        for i in range(files):
            if i % 2:
                suffix, data = change(*rng.choice(whole), rng)
            else:
                suffix, data = rng.choice(sound)
                data = mutate(suffix, data, rng)
            path = Path(name) / f"{i % 2}{len(suffix)}{suffix}"  # ITK takes a.nii for a.nii.gz where both are there
            path.write_bytes(data)
            found = [outcome(load, path, noise) for load in (load_volume, load_mask)]
            said = difference(path, load_volume(path)) if found[0] == "volume" and i % 2 else ""
            counts[("different" if said else found[0]) if found[0] in FINE else "failure"] += 1
            failures += [f"file {i}{suffix}: {said}"] if said else []
            failures += [f"file {i}{suffix}: {said}" for said in found if said not in FINE]
            if keep is not None and len(failures) > kept:
                kept = len(failures)
                (keep / f"{i}{suffix}").write_bytes(data)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"files": files, "seed": seed, **counts, "seconds": seconds, "peak_mib": peak / 1024, "failures": failures}


def main() -> None:
    """Run, print, and end with status 1 if a file gave anything else."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, help="Folder for the files that fail.")
    parser.add_argument("--only", default="", choices=["", ".nii", ".mha", ".nrrd"], help="Files of this ending.")
    chosen = parser.parse_args()
    if chosen.keep:
        chosen.keep.mkdir(parents=True, exist_ok=True)
    found = run(chosen.files, chosen.seed, chosen.keep, only=chosen.only)
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1))
    failures = found.pop("failures")
    print(json.dumps(found, indent=1))
    print("\n".join(failures[:5]))  # type: ignore[index]
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
