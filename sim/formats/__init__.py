"""Importers and exporters, one file per layout of another project. What is theirs is converted here, at the border."""

from sim.formats.convert import EXPORTS, LAYOUTS, detect_layout, export_motion, import_motion

__all__ = ["EXPORTS", "LAYOUTS", "detect_layout", "export_motion", "import_motion"]
