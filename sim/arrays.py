"""Read-only arrays, so that a value that is shared cannot change under its owner."""

from __future__ import annotations

from typing import Any

import numpy as np


def frozen(array: Any, dtype: type | None = np.float64) -> np.ndarray:
    """A read-only copy of anything that an array can be made of; `dtype` None keeps its type."""
    copy: np.ndarray = np.array(array, dtype=dtype)
    copy.setflags(write=False)
    return copy
