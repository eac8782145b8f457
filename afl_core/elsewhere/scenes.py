"""What 3D Slicer and ITK-SNAP are told of a case: scene, loader, labels and the commands that start them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from afl_core.figures.palette import rgb

SCENE, LOADER, LABELS, README = "scene.mrml", "open_in_slicer.py", "labels.txt", "README.txt"


@dataclass(frozen=True)
class Layer:
    """A mask as the viewers show it.

    Attributes:
        label: Its value in ITK-SNAP's file, from 1.
        name: Name to show: the reference, or a source.
        colour: Its colour on the pages, #RRGGBB.
        stem: Name of its files, without an ending.
    """

    label: int
    name: str
    colour: str
    stem: str

    @property
    def slicer(self) -> str:
        """Its file for 3D Slicer, which knows name and colour."""
        return f"slicer/{self.stem}.seg.nrrd"

    @property
    def itksnap(self) -> str:
        """Its file for ITK-SNAP, whose value `labels.txt` names and colours."""
        return f"itksnap/{self.stem}.nii.gz"


def mrml_scene(images: Sequence[str], layers: Sequence[Layer]) -> str:
    """A scene of 3D Slicer: the images, the first behind the slices, and a segmentation a mask.

    Args:
        images: Files of the images, relative to the scene.
        layers: The masks.
    """
    scene = ET.Element("MRML", version="Slicer5.0.0", userTags="")
    if images:
        shown = {"references": "ActiveVolume:vtkMRMLScalarVolumeNode1;", "singletonTag": "Singleton"}
        ET.SubElement(scene, "Selection", shown, id="vtkMRMLSelectionNodeSingleton", name="Selection")
    for k, file in enumerate(images, start=1):
        storage, display = f"vtkMRMLVolumeArchetypeStorageNode{k}", f"vtkMRMLScalarVolumeDisplayNode{k}"
        ET.SubElement(scene, "VolumeArchetypeStorage", id=storage, name=file, fileName=file)
        ET.SubElement(scene, "VolumeDisplay", id=display, name=file, autoWindowLevel="1")
        of = {"references": f"display:{display};storage:{storage};"}
        ET.SubElement(scene, "Volume", of, id=f"vtkMRMLScalarVolumeNode{k}", name=file.rsplit("/", 1)[-1].split(".")[0])
    for layer in layers:
        storage, display = (f"vtkMRMLSegmentation{kind}Node{layer.label}" for kind in ("Storage", "Display"))
        ET.SubElement(scene, "SegmentationStorage", id=storage, name=layer.stem, fileName=layer.slicer)
        ET.SubElement(scene, "SegmentationDisplay", id=display, name=layer.stem, visibility="true")
        of = {"references": f"display:{display};storage:{storage};"}
        ET.SubElement(scene, "Segmentation", of, id=f"vtkMRMLSegmentationNode{layer.label}", name=layer.name)
    ET.indent(scene, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(scene, encoding="unicode")}\n'


def slicer_loader(images: Sequence[str], layers: Sequence[Layer]) -> str:
    """A script for `Slicer --python-script`, which loads the same files one by one."""
    files = json.dumps([layer.slicer for layer in layers])
    return (
        '"""Loads this case into 3D Slicer: Slicer --python-script open_in_slicer.py"""\n\n'
        "from pathlib import Path\n\nimport slicer\n\n"
        "folder = Path(__file__).resolve().parent\n"
        f"images = [slicer.util.loadVolume(str(folder / name)) for name in {json.dumps(list(images))}]\n"
        f"for name in {files}:\n"
        "    slicer.util.loadSegmentation(str(folder / name))  # its file says its name and colour\n"
        "if images:\n    slicer.util.setSliceViewerLayers(background=images[0], fit=True)\n"
    )


def itksnap_labels(layers: Sequence[Layer]) -> str:
    """ITK-SNAP's label description: value, colour, opacity and name of every mask."""
    head = "# ITK-SnAP Label Description File\n# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL\n"
    rows = ['    0     0    0    0        0  0  0    "Clear Label"']
    for layer in layers:
        red, green, blue = rgb(layer.colour)
        rows.append(f'{layer.label:5d} {red:5d} {green:4d} {blue:4d}        1  1  1    "{layer.name}"')
    return head + "\n".join(rows) + "\n"


def readme(case_id: str, images: Sequence[str], layers: Sequence[Layer], notes: Sequence[str]) -> str:
    """What the folder holds, and how to start the viewers; commands are for a terminal in this folder."""
    behind = images[0] if images else layers[0].itksnap
    snap = "\n".join(f"  itksnap -g {behind} -s {layer.itksnap} -l {LABELS}" for layer in layers)
    colours = "\n".join(f"  {layer.label}  {layer.colour}  {layer.name}" for layer in layers)
    missing = "".join(f"- {note}\n" for note in notes)
    return (
        f"Case {' '.join(case_id.split())}, for viewers other than the A-FL workbench. Research use only.\n\n"
        f"3D Slicer: drop {SCENE} onto its window, or, in this folder:\n\n  Slicer --python-script {LOADER}\n\n"
        "ITK-SNAP shows one mask a command (a further one: Segmentation, Add Segmentation):\n\n"
        f"{snap}\n\n"
        + ("" if images else "There is no image here, so ITK-SNAP shows the first mask as the image.\n\n")
        + f"Masks, with the colours of the pages:\n\n{colours}\n\n"
        "masks/ holds the masks as the results store them, slicer/ and itksnap/ the same masks for each viewer. The\n"
        "reference there is the region that was measured; reference/ holds its file as the data set has it.\n"
        + (f"\nNot as in the data set, or not here:\n\n{missing}" if missing else "")
    )
