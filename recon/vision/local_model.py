"""Networks of the transformers library from a local folder: nothing is ever downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from sim.errors import MissingDependencyError, ReconstructionError


class LocalModel(NamedTuple):
    """A network in evaluation mode, what prepares its input, and the folder's name."""

    network: Any
    processor: Any
    name: str


def load_local(folder: str | Path, network: str, processor: str, what: str, device: str = "cpu") -> LocalModel:
    """Load a network as its `save_pretrained` wrote it.

    Args:
        network, processor: names of transformers' classes. what: what the user calls it, for messages.

    Raises:
        MissingDependencyError: transformers is not installed.
        ReconstructionError: the folder holds no such model.
    """
    try:
        import transformers
    except ImportError as error:
        raise MissingDependencyError("transformers", what) from error
    try:
        loaded = getattr(transformers, network).from_pretrained(folder, local_files_only=True)
        prepares = getattr(transformers, processor).from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ReconstructionError(f"{folder} holds no model for {what} ({reason})") from error
    return LocalModel(loaded.to(device).eval(), prepares, Path(folder).name)
