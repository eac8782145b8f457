"""What the tests in nnU-Net are made of: five ellipsoids of known radii, and its commands."""

import os
import subprocess
import sys
from pathlib import Path

ZOOMS = (0.8, 2.0, 1.0)
"""Edges along X, Y and Z in mm: nnU-Net reads Z first, and then moves the axis of the longest edge to the front."""

SHAPE = (28, 20, 32)
RADII_MM = (5.0, 8.0, 7.0)
CASES = tuple(f"case_{k}" for k in range(5))


def command(*words: object) -> str:
    """What a command of nnU-Net prints."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    asked = [str(word) for word in words]
    ran = subprocess.run(asked, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return ran.stdout
