"""Shared fixtures: where the real clips lie, and small generated motions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("TOUCHSTONE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of real clips and meshes; tests that need it are skipped where it is missing."""
    if not DATA.is_dir():
        pytest.skip(f"real data not found at {DATA}; set TOUCHSTONE_DATA")
    return DATA
