"""What the methods paragraph of a paper may cite, as BibTeX."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from afl_core import __version__

WORKBENCH, A_FL = "aflworkbench", "islam2024adaptive"
BCA, EXPANDED, WILCOXON, HOLM, EFFECT = (
    "efron1987bca",
    "hesterberg2014bootstrap",
    "wilcoxon1945",
    "holm1979",
    "kerby2014",
)

_MISC = "misc"

REFERENCES: Mapping[str, tuple[str, Mapping[str, str]]] = MappingProxyType(
    {
        WORKBENCH: (
            _MISC,
            {
                "author": "{The A-FL workbench developers}",
                "title": "{A-FL workbench}",
                "note": f"Software, version {__version__}, Apache-2.0",
            },
        ),
        A_FL: (
            _MISC,
            {
                "author": "Islam, Md Rakibul and Hassan, Riad and Nazib, Abdullah and Nguyen, Kien and Fookes, Clinton "
                "and Islam, Md Zahidul",
                "title": "Size and Smoothness Aware Adaptive Focal Loss for Small Tumor Segmentation",
                "year": "2024",
                "note": "arXiv preprint 2407.09828",
                "url": "https://arxiv.org/abs/2407.09828",
            },
        ),
        "taha2015metrics": (
            "article",
            {
                "author": "Taha, Abdel Aziz and Hanbury, Allan",
                "title": "Metrics for evaluating {3D} medical image segmentation: analysis, selection, and tool",
                "journal": "BMC Medical Imaging",
                "volume": "15",
                "pages": "29",
                "year": "2015",
                "doi": "10.1186/s12880-015-0068-x",
            },
        ),
        "cardoso2022monai": (
            _MISC,
            {
                "author": "Cardoso, M. Jorge and Li, Wenqi and Brown, Richard and others",
                "title": "{MONAI}: An open-source framework for deep learning in healthcare",
                "year": "2022",
                "note": "arXiv preprint 2211.02701",
                "url": "https://arxiv.org/abs/2211.02701",
            },
        ),
        "nikolov2018surface": (
            _MISC,
            {
                "author": "Nikolov, Stanislav and Blackwell, Sam and others",
                "title": "Deep learning to achieve clinically applicable segmentation of head and neck anatomy for "
                "radiotherapy",
                "year": "2018",
                "note": "arXiv preprint 1809.04430",
                "url": "https://arxiv.org/abs/1809.04430",
            },
        ),
        "deepmind2018surface": (
            _MISC,
            {
                "author": "{DeepMind}",
                "title": "Surface distance metrics",
                "year": "2018",
                "note": "Software",
                "url": "https://github.com/google-deepmind/surface-distance",
            },
        ),
        "maierhein2024metrics": (
            "article",
            {
                "author": "Maier-Hein, Lena and Reinke, Annika and others",
                "title": "Metrics reloaded: recommendations for image analysis validation",
                "journal": "Nature Methods",
                "volume": "21",
                "pages": "195--212",
                "year": "2024",
                "doi": "10.1038/s41592-023-02151-z",
            },
        ),
        "brats2023metrics": (
            _MISC,
            {
                "author": "Saluja, Rachit",
                "title": "{BraTS-2023-Metrics}",
                "year": "2023",
                "note": "Software",
                "url": "https://github.com/rachitsaluja/BraTS-2023-Metrics",
            },
        ),
        BCA: (
            "article",
            {
                "author": "Efron, Bradley",
                "title": "Better bootstrap confidence intervals",
                "journal": "Journal of the American Statistical Association",
                "volume": "82",
                "number": "397",
                "pages": "171--185",
                "year": "1987",
                "doi": "10.1080/01621459.1987.10478410",
            },
        ),
        EXPANDED: (
            _MISC,
            {
                "author": "Hesterberg, Tim",
                "title": "What teachers should know about the bootstrap: resampling in the undergraduate statistics "
                "curriculum",
                "year": "2014",
                "note": "arXiv preprint 1411.5279",
                "url": "https://arxiv.org/abs/1411.5279",
            },
        ),
        WILCOXON: (
            "article",
            {
                "author": "Wilcoxon, Frank",
                "title": "Individual comparisons by ranking methods",
                "journal": "Biometrics Bulletin",
                "volume": "1",
                "number": "6",
                "pages": "80--83",
                "year": "1945",
                "doi": "10.2307/3001968",
            },
        ),
        HOLM: (
            "article",
            {
                "author": "Holm, Sture",
                "title": "A simple sequentially rejective multiple test procedure",
                "journal": "Scandinavian Journal of Statistics",
                "volume": "6",
                "number": "2",
                "pages": "65--70",
                "year": "1979",
            },
        ),
        EFFECT: (
            "article",
            {
                "author": "Kerby, Dave S.",
                "title": "The simple difference formula: an approach to teaching nonparametric correlation",
                "journal": "Comprehensive Psychology",
                "volume": "3",
                "year": "2014",
                "doi": "10.2466/11.IT.3.1",
            },
        ),
    }
)
"""Citation key to the kind of the entry and its fields, which are BibTeX already."""

_SOURCES = MappingProxyType(
    {
        "taha2015metrics": r"Taha and Hanbury",
        "cardoso2022monai": r"MONAI",
        "nikolov2018surface": r"Nikolov",
        "deepmind2018surface": r"DeepMind surface-distance",
        "maierhein2024metrics": r"Metrics reloaded",
        "brats2023metrics": r"BraTS-2023-Metrics|BraTS 2023",
        A_FL: r"AFL-CIBM",
    }
)
"""Citation key to how the source of a metric or matcher names the same."""


def keys_of(source: str) -> tuple[str, ...]:
    """The citation keys of what the source of a metric or matcher names.

    >>> keys_of("Taha and Hanbury, BMC Medical Imaging 15:29 (2015); as MONAI DiceMetric"), keys_of("This project")
    (('taha2015metrics', 'cardoso2022monai'), ())
    """
    return tuple(key for key, pattern in _SOURCES.items() if re.search(pattern, source))


def bibtex(keys: Iterable[str]) -> str:
    """The entries of these keys, each once, in the order of `REFERENCES`."""
    wanted = set(keys)
    entries = []
    for key, (kind, fields) in REFERENCES.items():
        if key in wanted:
            lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
            entries.append(f"@{kind}{{{key},\n{lines}}}\n")
    return "\n".join(entries)
