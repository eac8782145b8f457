"""The parts of the workbench that are installed on their own, and one sentence for a part that is missing."""

from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType

from afl_core.errors import UsageError

EXTRAS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "train": ("torch", "monai", "safetensors"),
        "app": ("streamlit", "pyvista", "vtkmodules"),
        "dicom": ("highdicom", "pydicom"),
        "nnunet": ("nnunetv2",),
        "remote": ("fsspec", "aiohttp", "s3fs", "gcsfs"),
        "cluster": ("distributed", "dask_jobqueue", "cryptography"),
    }
)
"""Name of the extra to the modules that it brings."""


def need(extra: str, *, of: str) -> None:
    """Raise `UsageError` if a module of an extra is missing that some work needs, such as "`afl app`"."""
    for module in EXTRAS[extra]:
        if find_spec(module) is None:
            raise missing(module, of=of)


def missing(module: str, *, of: str) -> UsageError:
    """The error of a module that is not installed; of one that no extra brings, it says to install again.

    >>> str(missing("torch", of="`afl train`"))
    "`afl train` needs torch, which is not installed. Give: pip install 'afl-workbench[train]'."
    """
    extra = next((name for name, modules in EXTRAS.items() if module.partition(".")[0] in modules), None)
    named = f"afl-workbench[{extra}]" if extra else "afl-workbench"
    return UsageError(f"{of} needs {module}, which is not installed", todo=f"Give: pip install '{named}'")
