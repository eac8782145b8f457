"""Data sets of tiny volumes, one for every layout, with the names and labels of the real ones."""

import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import nibabel as nib
import numpy as np

SHAPE = (6, 7, 5)


def write(path: Path, labels: Iterable[int] = (), *, shape: Sequence[int] = SHAPE, axes: str = "LPS") -> Path:
    """A mask of one voxel a label, or an image of noise; any suffix, upper case too."""
    place = f"{path.parent.name}/{path.name}".encode()  # no two files of a tree are the same
    array = np.random.default_rng([*place]).integers(50, 200, shape).astype(np.int16)
    if chosen := list(labels):
        array[:] = 0
        at = zlib.crc32(place) % 40 * shape[-1]  # along one edge, so that they are one lesion
        array.reshape(-1)[at : at + len(chosen)] = chosen
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.lower().endswith(".mha"):
        import SimpleITK as sitk  # noqa: N813

        sitk.WriteImage(sitk.GetImageFromArray(array.T), str(path), useCompression=True)
        return path
    image = nib.Nifti1Image(array, np.diag([1.0, 1.0, 3.0, 1.0]))
    orientation = nib.orientations
    turn = orientation.ornt_transform(orientation.axcodes2ornt("RAS"), orientation.axcodes2ornt(axes))
    spatial = image.as_reoriented(turn) if len(shape) == 3 else image
    written = path.with_name(path.name.lower())
    nib.save(spatial, written)
    return written.rename(path)


def write_empty(path: Path) -> Path:
    """A mask without any label."""
    image = nib.load(write(path, [1]))
    nib.save(nib.Nifti1Image(np.zeros(SHAPE, np.int16), image.affine), path)
    return path


def brats2018(root: Path) -> None:
    for group, case_id in (("HGG", "Brats18_2013_2_1"), ("LGG", "Brats18_TCIA09_141_1")):
        for name in ("flair", "t1", "t1ce", "t2"):
            write(root / group / case_id / f"{case_id}_{name}.nii.gz")
        write(root / group / case_id / f"{case_id}_seg.nii.gz", [1, 2, 4])


def brats2021(root: Path) -> None:
    for case_id in ("BraTS2021_00000", "BraTS2021_01666"):
        for name in ("flair", "t1", "t1ce", "t2"):
            write(root / case_id / f"{case_id}_{name}.nii.gz")
        write(root / case_id / f"{case_id}_seg.nii.gz", [1, 2, 4])


def brats(root: Path) -> None:
    brats2018(root)
    brats2021(root)


def brats2023(root: Path) -> None:
    for case_id in ("BraTS-GLI-00002-000", "BraTS-GLI-00002-001", "BraTS-MET-00100-000"):
        for name in ("t1n", "t1c", "t2w", "t2f"):
            write(root / case_id / f"{case_id}-{name}.nii.gz")
        write(root / case_id / f"{case_id}-seg.nii.gz", [1, 2, 3])


def brats_ped(root: Path) -> None:
    for name in ("t1n", "t1c", "t2w", "t2f"):
        write(root / "BraTS-PED-00001-000" / f"BraTS-PED-00001-000-{name}.nii.gz")
    write(root / "BraTS-PED-00001-000" / "BraTS-PED-00001-000-seg.nii.gz", [1, 2, 3])


def msd(root: Path) -> None:
    for case_id in ("BRATS_001", "BRATS_002"):
        write(root / "imagesTr" / f"{case_id}.nii.gz", shape=(*SHAPE, 4))
        write(root / "labelsTr" / f"{case_id}.nii.gz", [1, 2, 3], axes="RAS")
    write(root / "imagesTs" / "BRATS_485.nii.gz", shape=(*SHAPE, 4))
    labels = {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"}
    modality = {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}
    (root / "dataset.json").write_text(json.dumps({"modality": modality, "labels": labels}))


def msd_task(root: Path) -> None:
    below = root / "Task05_Prostate"
    for case_id in ("prostate_00", "prostate_42"):
        write(below / "imagesTr" / f"{case_id}.nii.gz", shape=(*SHAPE, 2))
        write(below / "labelsTr" / f"{case_id}.nii.gz", [1, 2], axes="RAS")
    write(below / "imagesTs" / "prostate_03.nii.gz", shape=(*SHAPE, 2))
    labels = {"0": "background", "1": "PZ", "2": "TZ"}
    (below / "dataset.json").write_text(json.dumps({"modality": {"0": "T2", "1": "ADC"}, "labels": labels}))


def nnunet(root: Path) -> None:
    below = root / "Dataset137_BraTS2021"
    for case_id in ("BraTS2021_00000", "BraTS2021_00002"):
        for number in range(4):
            write(below / "imagesTr" / f"{case_id}_{number:04d}.nii.gz")
        write(below / "labelsTr" / f"{case_id}.nii.gz", [1, 2, 3])
    write(below / "imagesTs" / "BraTS2021_00001_0000.nii.gz")
    labels = {"background": 0, "whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing tumor": [3]}
    channels = {"0": "T1", "1": "T1ce", "2": "T2", "3": "Flair"}
    said = {"channel_names": channels, "labels": labels, "regions_class_order": [1, 2, 3], "file_ending": ".nii.gz"}
    (below / "dataset.json").write_text(json.dumps(said))


def picai(root: Path) -> None:
    studies = (("picai_public_images_fold0", "10000_1000000"), ("picai_public_images_fold1", "10005_1000005"))
    for fold, case_id in (*studies, ("picai_public_images_fold1", "10005_1000006")):
        for name in ("t2w", "adc", "hbv", "sag", "cor"):
            write(root / fold / case_id[:5] / f"{case_id}_{name}.mha")
    labels = root / "picai_labels" / "csPCa_lesion_delineations"
    write_mask_like(root / "picai_public_images_fold0/10000/10000_1000000_t2w.mha", labels, "10000_1000000", [2])
    write_mask_like(root / "picai_public_images_fold1/10005/10005_1000005_t2w.mha", labels, "10005_1000005", [3, 5])
    write(labels / "AI" / "Bosma22a" / "10000_1000000.nii.gz", [1])
    write(labels / "human_expert" / "original" / "10000_1000000.nii.gz", [2])


def write_mask_like(
    image: Path, labels: Path, case_id: str, values: Sequence[int], *, folder: str = "human_expert/resampled"
) -> None:
    """A mask on an image's grid, in a folder of the public labels."""
    import SimpleITK as sitk  # noqa: N813

    like = sitk.ReadImage(str(image))
    array = np.zeros(sitk.GetArrayFromImage(like).shape, np.uint8)
    array.reshape(-1)[: len(values)] = values
    mask = sitk.GetImageFromArray(array)
    mask.CopyInformation(like)
    target = labels / folder / f"{case_id}.nii.gz"
    target.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(mask, str(target))


def authors_picai(root: Path) -> None:
    for split, case_id in (("Train", "10000_1000000"), ("Valid", "10001_1000001")):
        for name in ("t2w", "adc", "hbv"):
            write(root / f"{split}Volumes" / name / f"{case_id}_{name}.nii.gz")
        write(root / f"Binary_{split}Segmentation" / f"{case_id}.nii.gz", [1])


def authors_brats(root: Path) -> None:
    for split, case_id in (("Tr", "BRATS_001"), ("Ts", "BRATS_002")):
        write(root / f"image_{split}" / f"{case_id}.nii.gz", shape=(*SHAPE, 4))
        write(root / f"label_{split}" / f"{case_id}.nii.gz", [1, 2, 3], axes="RAS")


def plain(root: Path) -> None:
    for case_id in ("Zoë Müller 1", "b"):
        for name in ("FLAIR", "T1c"):
            write(root / "images" / f"{case_id}_{name}.nii.gz")
        write(root / "references" / f"{case_id}.nii.gz", [1, 2, 4])


def deepmedic(root: Path) -> None:
    for name in ("Flair_subtrMeanDivStd", "T1c_subtrMeanDivStd", "brainmask"):
        write(root / "brats_2013_pat0002_1" / f"{name}.nii.gz")
    write(root / "brats_2013_pat0002_1" / "OTMultiClass.nii.gz", [1, 2, 3, 4])


def bids(root: Path) -> None:
    for scan in ("sub-01/ses-1", "sub-01/ses-2", "sub-P02"):
        folder, case_id = root / scan / "anat", scan.replace("/", "_")
        for name in ("T1w", "ce-gd_T1w", "acq-3d_T2w", "FLAIR"):
            write(folder / f"{case_id}_{name}.nii.gz")
        below = root / "derivatives"
        write(below / "lesions" / scan / "anat" / f"{case_id}_space-T1w_label-lesion_mask.nii.gz", [1])
        write(below / "fmriprep" / scan / "anat" / f"{case_id}_desc-brain_mask.nii.gz", [1])
        write(below / "fmriprep" / scan / "anat" / f"{case_id}_desc-aparcaseg_dseg.nii.gz", [1])


def ucsf_pdgm(root: Path) -> None:
    for case_id in ("UCSF-PDGM-0004", "UCSF-PDGM-0429_FU003d"):
        folder = root / "UCSF-PDGM-v3" / f"{case_id}_nifti"
        for name in ("T1", "T1_bias", "T1c", "T2", "FLAIR", "ADC", "DTI_eddy_FA", "brain_segmentation"):
            write(folder / f"{case_id}_{name}.nii.gz")
        write(folder / f"{case_id}_tumor_segmentation.nii.gz", [1, 2, 4])


def audit(root: Path) -> None:
    for case_id in ("Patient-002-week-000", "Patient-002-week-003"):
        for name in ("flair", "t1", "t1ce", "t2"):
            write(root / "SET_images" / case_id / f"{case_id}_{name}.nii.gz")
        write(root / "SET_images" / case_id / f"{case_id}_seg.nii.gz", [1, 2, 3])
        for model in ("nnUnet", "SegResNet"):
            write(root / "SET_seg" / model / case_id / f"{case_id}_pred.nii.gz", [1, 3])


GENERIC = """
label = "Hospital A"
reference = "{group}/{case}/*mask.nii.gz"
grid = "t2w"

[images]
t2w = "{group}/{case}/{case} T2*.nii.gz"
adc = "{group}/{case}/ADC.nii.gz"

[labels]
1 = "lesion"
7 = "cyst"

[regions]
whole = [1]
cyst = [7]
"""


def generic(root: Path) -> None:
    for case_id in ("p 1", "p 2"):
        write(root / "2024" / case_id / f"{case_id} T2 tse.nii.gz")
        write(root / "2024" / case_id / "ADC.NII")
        write(root / "2024" / case_id / "the_mask.nii.gz", [1, 7])
    (root / "afl-layout.toml").write_text(GENERIC)


TREES: Mapping[str, Callable[[Path], None]] = MappingProxyType(
    {
        "brats2018": brats2018,
        "brats2021": brats2021,
        "brats": brats,
        "brats2023": brats2023,
        "brats_ped": brats_ped,
        "msd": msd,
        "msd_task": msd_task,
        "nnunet": nnunet,
        "picai": picai,
        "authors_picai": authors_picai,
        "authors_brats": authors_brats,
        "plain": plain,
        "deepmedic": deepmedic,
        "bids": bids,
        "ucsf_pdgm": ucsf_pdgm,
        "audit": audit,
    }
)
"""Layout to what writes a tree of it."""
