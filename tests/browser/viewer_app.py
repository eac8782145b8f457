"""The viewer alone on a page, with phantoms that differ along every axis; `?case=` chooses one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import streamlit as st
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform
from scipy.spatial.transform import Rotation

from afl_core.analysis.label_maps import LabelMaps
from afl_core.data.formats.files import load_mask, load_volume, save_volume
from afl_core.figures.stills import still_picture
from afl_core.figures.surfaces import compute_surfaces
from afl_core.ui.viewers.part_route import part_route
from afl_core.ui.viewers.payload import ScalarMap, ViewerCase, ViewerPayload, viewer_payload
from afl_core.ui.viewers.slices import OfPage, ViewerState, show_viewer
from afl_core.ui.viewers.surfaces import show_surface_viewer, surfaces_payload
from afl_core.volume import Mask, Volume

SMALL = ((96, 116, 40), (1.0, 1.0, 3.0))
STORED = {"stored RAS": ("RAS", 0), "stored LPS": ("LPS", 0), "stored oblique": ("PSL", 14)}
"""Order of the axes in the file, and by how much the patient is turned."""

BRATS = ((240, 240, 155), (1.0, 1.0, 1.0))


def ball(grid: tuple[tuple[int, ...], tuple[float, ...]], centre: tuple[float, ...], radius_mm: float) -> np.ndarray:
    """Ball at a centre given as fractions of the grid."""
    shape, spacing = grid
    axes = [(np.arange(n, dtype=np.float32) - f * n) * s for n, s, f in zip(shape, spacing, centre, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    return x**2 + y**2 + z**2 <= radius_mm**2


def phantom(
    grid: tuple[tuple[int, ...], tuple[float, ...]] = SMALL, *, case_id: str = "phantom", sequence: str = "T1"
) -> ViewerCase:
    """Head with noise, a bright ball at patient right-anterior-superior, two lesions and two predictions."""
    shape, spacing = grid
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = [-n * s / 2 for n, s in zip(shape, spacing, strict=True)]
    x, y, z = np.meshgrid(*[(np.arange(n) / n - 0.5) * 2 for n in shape], indexing="ij", sparse=True)
    head = (x / 0.72) ** 2 + (y / 0.85) ** 2 + (z / 0.8) ** 2 < 1
    noise = np.random.default_rng(7).normal(0, 22, shape)
    folds = 60 * np.sin(9 * x + 5 * np.sin(6 * y)) * np.cos(8 * y + 4 * z)
    image = np.where(head, 420 + folds + noise + 120 * y - 60 * x, 0).astype(np.float32)
    image[ball(grid, (0.63, 0.72, 0.7), 9)] = 800
    size = shape[0] * spacing[0] / 96
    first, second = (0.68, 0.60, 0.55), (0.32, 0.36, 0.40)  # right-anterior and left-posterior
    reference = ball(grid, first, 11 * size) | ball(grid, second, 5.5 * size)
    image[reference] += 170 if sequence == "T1" else -170
    ours = ball(grid, (0.70, 0.59, 0.55), 11.5 * size) | ball(grid, (0.33, 0.36, 0.42), 4.5 * size)
    theirs = ball(grid, (0.66, 0.62, 0.55), 9 * size) | ball(grid, (0.5, 0.75, 0.62), 4 * size)
    masks = {"FL": Mask(theirs & head, affine), "A-FL": Mask(ours & head, affine)}
    return ViewerCase(Volume(image, affine), Mask(reference, affine), masks, case_id=case_id, sequence=sequence)


def turned(degrees: float) -> np.ndarray:
    """A rotation about two of the patient's axes."""
    return Rotation.from_euler("zx", (degrees, degrees / 2), degrees=True).as_matrix()


def stored(case: ViewerCase, order: str, turn_deg: float) -> ViewerCase:
    """The case written to files with its axes in another order, the patient turned in the scanner, and read again."""
    with TemporaryDirectory() as folder:

        def there_and_back(volume: Volume, load: Callable[[Path], Volume]) -> Volume:
            change = ornt_transform(io_orientation(volume.affine), axcodes2ornt(order))
            affine = volume.affine @ inv_ornt_aff(change, volume.array.shape)
            affine[:3] = turned(turn_deg) @ affine[:3]
            save_volume(Path(folder) / "stored.nii.gz", apply_orientation(volume.array, change), affine)
            return load(Path(folder) / "stored.nii.gz")

        image, reference = there_and_back(case.image, load_volume), there_and_back(case.reference, load_mask)
        predictions = {name: there_and_back(mask, load_mask) for name, mask in case.predictions.items()}
    return ViewerCase(image, reference, predictions, case_id=order)


def halves(case: ViewerCase) -> LabelMaps:
    """Two labels: the upper and the lower half of each mask, in FL two voxels further up; A-FL has its mask alone."""

    def cut_at(mask: Mask, z: int) -> np.ndarray:
        return np.where(np.arange(mask.array.shape[2]) < z, 1, 2).astype(np.uint8) * mask.array

    middle = int(np.argmax(case.reference.array.sum(axis=(0, 1))))
    source = {"FL": cut_at(case.predictions["FL"], middle + 2)}
    return LabelMaps(("edema", "core"), cut_at(case.reference, middle), source, {"A-FL": "one region"})


@st.cache_resource(max_entries=8)
def payload(name: str, sequence: str) -> ViewerPayload:
    return viewer_payload(case_named(name, sequence))


@st.cache_resource(max_entries=8)
def surfaces(name: str) -> tuple[ViewerPayload, bytes]:
    case = case_named(name, "T1")
    meshes = compute_surfaces(case.image, case.reference, case.predictions)
    return surfaces_payload(meshes, case.case_id), still_picture(meshes)


def case_named(name: str, sequence: str) -> ViewerCase:
    case = phantom(BRATS if name.startswith("brats") else SMALL, case_id=name, sequence=sequence)
    if name == "brats with 3":
        worse = Mask(np.roll(case.predictions["FL"].array, 9, axis=1), case.image.affine)
        case = ViewerCase(case.image, case.reference, {**case.predictions, "Third": worse}, case_id=name)
    if name == "three":
        noisy = np.random.default_rng(3).random(case.image.array.shape) > 0.98
        extra = {"<img src=x onerror=alert(1)>": Mask(noisy, case.image.affine)}
        case = ViewerCase(case.image, case.reference, {**case.predictions, **extra}, case_id=name)
    if name == "probability":  # 1 in the middle of the large lesion, and 0.05 less a mm; and its mirror image
        shape, spacing = SMALL
        steps = np.indices(shape) - np.array([(0.68, 0.6, 0.55)]).T[..., None, None] * np.reshape(shape, (3, 1, 1, 1))
        away = np.linalg.norm(steps * np.reshape(spacing, (3, 1, 1, 1)), axis=0)
        values = np.clip(1 - away / 20, 0, 1).astype(np.float32)
        maps = {"FL probability": ScalarMap(values, "Probability", (0.0, 1.0), cut=True)}
        colours = ("#C08800", "#C08800", "#CC79A7", "#CC79A7")
        maps["difference"] = ScalarMap(values - values[::-1], "difference", (-1.0, 1.0), colours=colours, centred=True)
        case = ViewerCase(case.image, case.reference, maps=maps, case_id=name)
    if name == "bare":
        case = ViewerCase(case.image, None, {}, case_id=name)
    if name in STORED:
        case = stored(case, *STORED[name])
    if name == "twins":
        case = ViewerCase(
            case.image, case.reference, dict.fromkeys(("FL", "A-FL"), case.predictions["FL"]), case_id=name
        )
    if name == "sized":
        centre, affine = (0.68, 0.60, 0.55), case.image.affine
        reference, grown, shrunk = (Mask(ball(SMALL, centre, radius), affine) for radius in (11, 14, 8))
        case = ViewerCase(case.image, reference, {"grown": grown, "shrunk": shrunk}, case_id=name)
    if name == "mapped":
        ramp = np.linspace(-1, 3, case.image.array.shape[0], dtype=np.float32)[:, None, None]
        scalars = ScalarMap(np.broadcast_to(ramp, case.image.array.shape), "slope (1/mm)", (0, 2))
        case = ViewerCase(case.image, case.reference, case.predictions, {"Slope": scalars}, case_id=name)
    if name == "labelled":
        case = replace(case, labels=halves(case), case_id=name)
    if name == "near":
        case = replace(case, case_id=name, near=True)
    if name == "unlabelled":
        case = ViewerCase(case.image, None, case.predictions, case_id=name)
    return case


def main() -> None:
    st.set_page_config(layout="wide")
    names = [
        "small",
        "other",
        "brats",
        "brats with 3",
        "three",
        "bare",
        "unlabelled",
        "mapped",
        "twins",
        "sized",
        "near",
        "labelled",
        "probability",
        *STORED,
    ]
    columns = st.columns(6)
    name = columns[0].selectbox("Case", names, index=names.index(st.query_params.get("case", "small")))
    sequence = columns[1].radio("Sequence", ["T1", "T2"], horizontal=True)
    st.session_state.count = st.session_state.get("count", 0) + columns[2].button("Elsewhere")
    st.session_state.runs = st.session_state.get("runs", 0) + 1
    focus = (20, 30, 10) if columns[3].checkbox("Focus") else None
    report = columns[4].checkbox("Report")
    state = ViewerState()
    if not columns[5].checkbox("Hide"):
        state = show_viewer(payload(name, sequence), key="viewer", report=report, focus=focus, page=OfPage())
        if "surfaces" in st.query_params:
            meshes, still = surfaces(name)
            show_surface_viewer(meshes, key="surfaces", still=lambda: still)
    st.text(f"clicks {st.session_state.count}, runs {st.session_state.runs}")
    st.text(f"state {state.axis} {state.voxel}")


if __name__ == "__main__":
    main()
else:
    app = st.App(__file__, routes=[part_route()])
