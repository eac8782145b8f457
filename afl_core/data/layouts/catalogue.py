"""The layouts that a folder is recognised by. A new one is one small file beside this one, and its entry here."""

from collections.abc import Mapping
from types import MappingProxyType

from afl_core.data.layouts.audit import AUDIT
from afl_core.data.layouts.authors import AUTHORS_BRATS, AUTHORS_PICAI
from afl_core.data.layouts.bids import BIDS
from afl_core.data.layouts.brats import BRATS2018, BRATS2021, BRATS2023, BRATS_MIXED, BRATS_PED
from afl_core.data.layouts.decathlon import MSD, MSD_TASKS, NNUNET
from afl_core.data.layouts.folders import DEEPMEDIC, PLAIN
from afl_core.data.layouts.layout import Layout
from afl_core.data.layouts.picai import PICAI
from afl_core.data.layouts.ucsf import UCSF_PDGM

LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "brats2018": BRATS2018,
        "brats2021": BRATS2021,
        "brats": BRATS_MIXED,
        "brats2023": BRATS2023,
        "brats_ped": BRATS_PED,
        "msd": MSD,
        "msd_task": MSD_TASKS,
        "nnunet": NNUNET,
        "picai": PICAI,
        "authors_picai": AUTHORS_PICAI,
        "authors_brats": AUTHORS_BRATS,
        "plain": PLAIN,
        "deepmedic": DEEPMEDIC,
        "bids": BIDS,
        "ucsf_pdgm": UCSF_PDGM,
        "audit": AUDIT,
    }
)
