"""How size-free, and how free of the grid, the shape descriptors are; docs/shape.md explains what the columns mean."""

import argparse
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pyvista
from numpy.typing import NDArray
from scipy.special import ellipeinc, ellipkinc

from afl_core.shape import describe
from afl_core.volume import Spacing

GRIDS: Mapping[str, Spacing] = {"1 mm": (1.0, 1.0, 1.0), "0.5x0.5x3 mm": (0.5, 0.5, 3.0)}
MEASURES = ("roughness", "sphericity", "compactness", "elongation", "released_smoothness")
AGREEING = ("roughness", "surface_area_mm2")
VOLUMES_ML, AMPLITUDES = (0.1, 100.0), (0.0, 0.3)
LARGE_ML = 1.0  # lesions above this are held to the agreement between grids
ROUGH = 0.1  # amplitude from which a relative difference in roughness means something: a smooth lesion has almost none
FIELD_MM = (160.0, 160.0, 96.0)  # one field of view for all lesions: released_smoothness divides by it
AXIS_RATIO = 1.25  # largest stretch of an axis, before the volume is restored
WAVES = 24
SEED = 7
ELLIPSOIDS = ((1, 1, 1), (1.6, 1, 0.625), (1, 0.625, 1.6), (0.7, 0.7, 2), (1.4, 1.4, 0.5))  # x : y : z
SLICES_MM, ELLIPSOIDS_ML = (3.0, 5.0, 6.5, 7.0), (1, 3, 10, 50)
LIMITS = (0.3, 1.9)  # of the relative radius: neither a hole nor a needle


@dataclass(frozen=True, eq=False)
class Lesion:
    """An ellipsoid whose radius is modulated by plane waves over the directions; a continuous solid.

    Attributes:
        volume_ml: Volume of the solid.
        amplitude: Standard deviation of the radius over the directions, relative to its mean.
        stretch: Shape (3, 3), determinant 1; takes millimetres to the space in which the solid is a bumpy ball.
        waves: Shape (WAVES, 3); their length is the number of bumps around the equator.
        phases: Shape (WAVES,), in radians.
        offset: Shape (3,), place of the centre in its voxel, from -0.5 to 0.5.
    """

    volume_ml: float
    amplitude: float
    stretch: NDArray[np.float64]
    waves: NDArray[np.float64]
    phases: NDArray[np.float64]
    offset: NDArray[np.float64]

    def mask(self, spacing_mm: Spacing) -> NDArray[np.bool_]:
        """The voxels whose centre is inside, in an array just large enough."""
        sphere = directions()
        raw = self._raw(sphere)
        mean, deviation = raw.mean(), raw.std()

        def profile(unit: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.clip(1 + self.amplitude * (self._raw(unit) - mean) / deviation, *LIMITS)

        relative = profile(sphere)
        radius_mm = (self.volume_ml * 3000 / (4 * math.pi * (relative**3).mean())) ** (1 / 3)
        edge = (sphere * relative[:, None]) @ np.linalg.inv(self.stretch) * radius_mm
        half = np.ceil(np.abs(edge).max(axis=0) / spacing_mm).astype(int) + 2
        axes = [(np.arange(-n, n + 1) + o) * s for n, o, s in zip(half, self.offset, spacing_mm, strict=True)]
        places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) @ self.stretch
        depth = np.linalg.norm(places, axis=-1) / radius_mm
        inside = depth < relative.min() * 0.97
        shell = ~inside & (depth < relative.max() * 1.03)  # the waves are needed here only
        inside[shell] = depth[shell] <= profile(places[shell] / (depth[shell] * radius_mm)[:, None])
        return inside

    def _raw(self, unit: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.cos(unit @ self.waves.T + self.phases).sum(axis=-1))


def directions(count: int = 2048) -> NDArray[np.float64]:
    """Evenly spread unit vectors (Fibonacci lattice); shape (count, 3)."""
    index = np.arange(count) + 0.5
    z, turn = 1 - 2 * index / count, math.pi * (1 + math.sqrt(5)) * index
    ring = np.sqrt(1 - z * z)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=1)


def draw_lesions(count: int, bumps: tuple[float, float]) -> list[Lesion]:
    """Lesions whose volume (log-uniform) and amplitude (uniform) are independent; always the same ones."""
    rng = np.random.default_rng(SEED)
    lesions = []
    for _ in range(count):
        volume_ml = math.exp(rng.uniform(*np.log(VOLUMES_ML)))
        waves = rng.normal(size=(WAVES, 3))
        waves *= (rng.uniform(*bumps, size=WAVES) / np.linalg.norm(waves, axis=1))[:, None]
        stretch = np.exp(rng.uniform(-1, 1, size=3) * math.log(AXIS_RATIO))
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        matrix = (turn * (np.prod(stretch) ** (1 / 3) / stretch)) @ turn.T
        phases, offset = rng.uniform(0, 2 * math.pi, WAVES), rng.uniform(-0.5, 0.5, 3)
        lesions.append(Lesion(volume_ml, rng.uniform(*AMPLITUDES), matrix, waves, phases, offset))
    return lesions


def measure(lesions: Sequence[Lesion], spacing_mm: Spacing) -> pd.DataFrame:
    """A row a lesion: its descriptors on this grid, true volume and amplitude, and the seconds of `describe`."""
    rows = []
    for lesion in lesions:
        mask = lesion.mask(spacing_mm)
        began = time.perf_counter()
        row = describe(mask, spacing_mm=spacing_mm).as_dict()
        seconds = time.perf_counter() - began
        row["released_smoothness"] *= mask.size * math.prod(spacing_mm) / math.prod(FIELD_MM)
        rows.append(row | {"true_ml": lesion.volume_ml, "amplitude": lesion.amplitude, "seconds": seconds})
    return pd.DataFrame(rows)


def rank_correlations(table: pd.DataFrame, against: Sequence[str]) -> pd.DataFrame:
    """Spearman of each measure with each of the columns `against`, over the rows in which the measure is known."""
    ranks = {m: table.loc[table[m].notna(), [m, *against]].corr("spearman").loc[m, list(against)] for m in MEASURES}
    return pd.DataFrame(ranks).T.assign(n=table[list(MEASURES)].notna().sum())


def agreement(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Differences between the grids for the same large lesions: absolute, and relative to the mean of the two."""
    large = (first["true_ml"] > LARGE_ML).to_numpy()
    table = {}
    for name, rows in [*((name, large) for name in AGREEING), ("roughness", large & (first["amplitude"] > ROUGH))]:
        a, b = (t.loc[rows, name].to_numpy() for t in (first, second))
        known = ~np.isnan(a) & ~np.isnan(b)
        absolute = np.abs(a - b)[known]
        relative = absolute / ((a + b) / 2)[known]
        table[name if rows is large else f"{name}, amplitude > {ROUGH:g}"] = {
            "n": int(known.sum()),
            "ratio of means": b[known].mean() / a[known].mean(),
            **{f"abs {label}": np.quantile(absolute, q) for label, q in (("median", 0.5), ("p95", 0.95), ("max", 1))},
            **{f"rel {label}": np.quantile(relative, q) for label, q in (("median", 0.5), ("p95", 0.95), ("max", 1))},
            "share abs < 0.05": (absolute < 0.05).mean(),
            "share rel < 5 %": (relative < 0.05).mean(),
        }
    return pd.DataFrame(table)


def ellipsoid_area_mm2(axes_mm: Sequence[float]) -> float:
    """Exact area of an ellipsoid with these half axes. Source: Legendre, Traité des fonctions elliptiques, 1825."""
    a, b, c = sorted(axes_mm, reverse=True)
    if a == c:
        return 4 * math.pi * a * a
    angle = math.acos(c / a)
    m = a * a * (b * b - c * c) / (b * b * (a * a - c * c))
    curved = ellipeinc(angle, m) * math.sin(angle) ** 2 + ellipkinc(angle, m) * math.cos(angle) ** 2
    return float(2 * math.pi * (c * c + a * b / math.sin(angle) * curved))


def measure_ellipsoids(slices_mm: float, volumes_ml: Sequence[float], places: int = 5) -> pd.DataFrame:
    """Errors on 0.5x0.5 mm slices of that thickness: of the area in %, ours and marching cubes', and of elongation."""
    rng, spacing_mm = np.random.default_rng(SEED), (0.5, 0.5, slices_mm)
    rows = []
    for volume_ml in volumes_ml:
        for ratios in ELLIPSOIDS:
            half = np.array(ratios) * (volume_ml * 3000 / (4 * math.pi * math.prod(ratios))) ** (1 / 3)
            area, elongation = ellipsoid_area_mm2(half), sorted(half)[1] / max(half)
            for offset in rng.uniform(-0.5, 0.5, (places, 3)):
                reach = np.ceil(half / spacing_mm).astype(int) + 2
                axes = [(np.arange(-n, n + 1) + o) * s for n, o, s in zip(reach, offset, spacing_mm, strict=True)]
                places_mm = np.meshgrid(*axes, indexing="ij")
                mask = sum((x / r) ** 2 for x, r in zip(places_mm, half, strict=True)) <= 1
                if not mask.any():  # it lies between two slices
                    continue
                found = describe(mask, spacing_mm=spacing_mm)
                cubes = marching_cubes_mm2(mask, spacing_mm)
                errors = (found.surface_area_mm2 / area - 1, cubes / area - 1)
                rows.append((volume_ml, *(100 * error for error in errors), found.elongation - elongation))
    table = pd.DataFrame(rows, columns=["ml", "area %", "marching cubes %", "elongation"]).groupby("ml")
    return table.agg(["min", "median", "max"])


def marching_cubes_mm2(mask: NDArray[np.bool_], spacing_mm: Spacing) -> float:
    """Area of a mask's surface as marching cubes draws it."""
    image = pyvista.ImageData(dimensions=[n + 2 for n in mask.shape], spacing=spacing_mm)
    image["inside"] = np.pad(mask, 1).astype(np.float32).ravel(order="F")  # VTK's x runs fastest
    return float(image.contour([0.5], method="marching_cubes").area)


def measure_picai(folder: Path) -> pd.DataFrame:
    """A row a PI-CAI study whose human expert drew a lesion (label > 0)."""
    rows = []
    for path in sorted((folder / "csPCa_lesion_delineations/human_expert/resampled").glob("*.nii.gz")):
        image = nib.load(path)
        mask = np.asarray(image.dataobj) > 0
        if mask.any():
            rows.append(describe(mask, spacing_mm=tuple(map(float, image.header.get_zooms()[:3]))).as_dict())
    if not rows:
        raise SystemExit(f"No lesion masks below {folder}; give the folder that holds csPCa_lesion_delineations.")
    return pd.DataFrame(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--picai", type=Path, help="folder with csPCa_lesion_delineations: rank correlations there too")
    parser.add_argument("--lesions", type=int, default=300, help="how many to generate (default: %(default)s)")
    parser.add_argument("--bumps", type=float, nargs=2, default=(3.0, 6.0), help="least and most around the equator")
    options = parser.parse_args(arguments)

    picai = measure_picai(options.picai) if options.picai else None
    lesions = draw_lesions(options.lesions, tuple(options.bumps))
    tables = {name: measure(lesions, spacing_mm) for name, spacing_mm in GRIDS.items()}
    results = {f"Spearman at {name}": rank_correlations(t, ("true_ml", "amplitude")) for name, t in tables.items()}
    results[f"Agreement between the grids above {LARGE_ML:g} ml"] = agreement(*tables.values())
    for slices_mm in SLICES_MM:
        table = measure_ellipsoids(slices_mm, ELLIPSOIDS_ML)
        table.columns = [" ".join(column) for column in table.columns]
        results[f"Ellipsoids on slices of {slices_mm:g} mm, error by volume in ml"] = table
    if picai is not None:
        results["Spearman on PI-CAI"] = rank_correlations(picai, ("volume_ml",))
    results["Time of describe in ms"] = pd.DataFrame(
        {name: {"median": t["seconds"].median() * 1e3, "max": t["seconds"].max() * 1e3} for name, t in tables.items()}
    )
    for title, table in results.items():
        print(f"{title}\n{table.to_string(float_format='{:.3f}'.format)}\n")
    if options.json:
        text = json.dumps({title: table.to_dict("index") for title, table in results.items()}, indent=2)
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
