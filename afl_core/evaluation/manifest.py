"""`manifest.json` of a results folder: what it may hold, checked once when it is read."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from afl_core.data.layouts import MASKS_ALONE, Cohort, load_cohort, references_cohort
from afl_core.errors import DataError
from afl_core.evaluation.pipeline import SETTINGS, Settings
from afl_core.evaluation.sources import NAME
from afl_core.metrics.matchers import MATCHERS
from afl_core.model.checkpoints import Card
from afl_core.storage import read_json

MANIFEST = "manifest.json"
