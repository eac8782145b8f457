"""Where a NIfTI image lies in space: its sform, else its qform, else its voxel sizes alone, in mm.

Source: https://nifti.nimh.nih.gov/nifti-1/documentation.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from nibabel.quaternions import quat2mat
from numpy.typing import NDArray

from afl_core.data.formats.header import damaged

Affine = NDArray[np.float64]

_UNITS_MM: Mapping[int, float] = MappingProxyType({1: 1000.0, 2: 1.0, 3: 0.001})
"""Code of `xyzt_units` to mm; any other is not known, and taken as mm."""

_CODES = range(6)
"""Codes of sform and qform: from unknown (0) to other template (5)."""

_NORM = 1e-3
"""How far the squared norm of a quaternion may pass 1: rounding, which is divided out as ITK does."""

_PIXDIM = 0.01
"""Voxel sizes that differ by more than this fraction are not the same."""


def place(path: Path, fields: Any, shape: tuple[int, ...]) -> tuple[Affine, list[str]]:
    """Stored voxel index to RAS+ mm, and what a person should know of how it was told."""
    codes = {name: int(fields[f"{name}_code"]) for name in ("sform", "qform")}
    if not all(code in _CODES for code in codes.values()):
        raise damaged(path, " and ".join(f"{name}_code {code}" for name, code in codes.items()))
    unit, remarks = int(fields["xyzt_units"]) & 7, list[str]()
    factor = _UNITS_MM.get(unit, 1.0)
    if factor != 1:
        remarks.append(f"lengths are in {'metres' if factor > 1 else 'micrometres'} and are converted to mm")
    elif unit > 3:
        remarks.append(f"the unit of its lengths has the unknown code {unit} and is taken as mm")
    pixdim_mm = fields["pixdim"][1:4].astype(np.float64) * factor
    if codes["sform"]:
        affine = np.eye(4)
        affine[:3] = np.stack([fields[f"srow_{axis}"] for axis in "xyz"]).astype(np.float64) * factor
        remarks += _disagreement(fields, affine, pixdim_mm, shape, factor) if np.isfinite(affine).all() else []
    elif codes["qform"]:
        problem = _qform_problem(fields)
        if problem:
            raise damaged(path, f"{problem}, and no sform is coded")
        affine = _qform(fields, factor)
    else:
        if not (np.isfinite(pixdim_mm) & (pixdim_mm > 0)).all():
            raise damaged(path, f"neither sform nor qform is coded, and pixdim is {_mm(pixdim_mm)}")
        affine = np.diag([-pixdim_mm[0], pixdim_mm[1], pixdim_mm[2], 1.0])
        affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape[:3]) - 1) / 2)
        remarks.append(
            "neither sform nor qform is coded, so where it lies is not known: taken as nibabel does, with the first "
            "axis pointing left and 0 mm in the middle"
        )
    return affine, remarks


def _qform_problem(fields: Any) -> str:
    """Why the qform cannot be used, or ""."""
    pixdim = fields["pixdim"][:4].astype(np.float64)
    numbers = [float(fields[name]) for name in ("quatern_b", "quatern_c", "quatern_d")]
    offsets = [float(fields[name]) for name in ("qoffset_x", "qoffset_y", "qoffset_z")]
    if not np.isfinite([*pixdim, *numbers, *offsets]).all() or not (pixdim[1:] > 0).all():
        return f"the qform has the voxel sizes {_mm(pixdim[1:])}" if np.isfinite(numbers).all() else "the qform is NaN"
    if pixdim[0] not in (-1, 0, 1):
        return f"the qform has the handedness {pixdim[0]:g} (pixdim[0]), not 1 or -1"
    if sum(q * q for q in numbers) > 1 + _NORM:
        return f"the quaternion of the qform has the length {math.hypot(*numbers):.6g}, more than 1"
    return ""


def _qform(fields: Any, factor: float) -> Affine:
    b, c, d = (float(fields[name]) for name in ("quatern_b", "quatern_c", "quatern_d"))
    a = math.sqrt(max(0.0, 1 - (b * b + c * c + d * d)))
    sizes = fields["pixdim"][1:4].astype(np.float64) * factor
    sizes[2] *= -1 if fields["pixdim"][0] == -1 else 1
    affine = np.eye(4)
    affine[:3, :3] = quat2mat([a, b, c, d]) * sizes  # divides by the norm
    affine[:3, 3] = np.array([float(fields[f"qoffset_{axis}"]) for axis in "xyz"]) * factor
    return affine


def _disagreement(
    fields: Any, sform: Affine, pixdim_mm: NDArray[np.float64], shape: tuple[int, ...], factor: float
) -> list[str]:
    """How the qform or the voxel sizes contradict the sform, which is used.

    Up to a voxel at the corners is rounding: a quaternion has 24 bits (PI-CAI's differ by 0.7 voxels).
    """
    lengths = np.hypot(np.hypot(sform[0, :3], sform[1, :3]), sform[2, :3])  # without overflow
    used = f"the sform ({_mm(lengths)}) is used"
    if int(fields["qform_code"]):
        problem = _qform_problem(fields)
        if problem:
            return [f"sform and qform disagree: {problem}; {used}"]
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape[:3]])).reshape(3, -1)
        shift = (sform - _qform(fields, factor)) @ np.vstack([corners, np.ones(8)])
        apart = float(np.linalg.norm(shift[:3], axis=0).max())
        if apart > lengths.min():
            qform = f"qform ({_mm(pixdim_mm)})"
            return [f"sform and qform disagree: a corner of the {qform} is {apart:.3g} mm away; {used}"]
    if (~(np.abs(pixdim_mm - lengths) <= _PIXDIM * lengths)).any():
        return [f"sform and pixdim disagree: pixdim says {_mm(pixdim_mm)}; {used}"]
    return []


def _mm(lengths: NDArray[np.float64]) -> str:
    return "x".join(f"{length:.3g}" for length in lengths) + " mm"
