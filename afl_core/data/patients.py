"""Which patient a case is of, where the data set's own numbering says so."""

import re

PATTERNS = (
    re.compile(r"(?P<patient>\d{5})_\d{7}"),  # PI-CAI: patient_study
    re.compile(r"(?P<patient>BraTS-[A-Za-z]+-\d{5})-\d{3}"),  # BraTS 2023 and later: patient-time point
)


def patient_id(case_id: str) -> str:
    """The patient of a case; a case of any other numbering is a patient of its own.

    >>> patient_id("10005_1000005"), patient_id("BraTS-GLI-00002-001"), patient_id("Brats18_X_1")
    ('10005', 'BraTS-GLI-00002', 'Brats18_X_1')
    """
    found = (pattern.fullmatch(case_id) for pattern in PATTERNS)
    return next((match["patient"] for match in found if match), case_id)
