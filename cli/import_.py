"""Read a data-set file (InterMimic/OMOMO, SkillMimic, PhysHOI, SMPL-X parameters) and write it as a motion.

The layout is found out from the file. InterMimic's files hold an object's pose but not its shape, so name it.

    touchstone import sub8_largebox_000.pt --object largebox.obj --group push_box -o clip.npz
    touchstone import catch_012.pt --object sphere:radius=0.12 -o catch.npz
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

if TYPE_CHECKING:
    from sim.motion import Motion


@dataclass(frozen=True)
class Command:
    """What to read and what to add to it."""

    file: tyro.conf.Positional[Path]
    """The data-set file: .pt, or .npz / .json for SMPL-X parameters."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """The motion to write (.npz)."""
    object: str | None = None
    """Shape of the object: a mesh file, or a primitive such as sphere:radius=0.12 or box:x=0.4,y=0.4,z=0.3."""
    object_name: str | None = None
    """What the object is called; from the file name if left out."""
    layout: str | None = None
    """intermimic-591, skillmimic-337, physhoi-331 or smplx; found out if left out."""
    fps: float | None = None
    """Frames per second; the layout's published rate if left out."""
    mass: float | None = None
    """Mass of the object, kg."""
    density: float | None = None
    """Density of the object, kg/m^3, where the mass is not known."""
    friction: float | None = None
    """Sliding friction coefficient of the object."""
    group: str = ""
    """Action group: clips that are trained together."""
    action: str = ""
    """The action's label."""
    text: str = ""
    """What is done, in words."""
    pose: Literal["positions", "rotations"] = "positions"
    """Whether ball clips follow their position columns exactly or keep their rotation columns (10-20 mm off)."""
    up: Literal["y", "z", "-y"] = "y"
    """Which axis points up in a SMPL-X parameter file; -y is a camera's frame."""
    body: Path | None = None
    """Where a SMPL-X parameter file's bones come from: SMPL-X's model file or a motion of the same person."""
    max_object_distance: float = 10.0
    """Refuse objects that are ever farther than this from the person, m."""
    contacts: bool = True
    """Extract the contact graph from the geometry."""

    def run(self) -> None:
        """Import, extract contacts, save, and say what came out."""
        from sim.formats import import_motion

        geometry = None
        if self.object is not None:
            from sim.objects import load_geometry

            geometry = load_geometry(self.object)
        motion = import_motion(
            self.file,
            layout=self.layout,
            fps=self.fps,
            geometry=geometry,
            object_name=self.object_name,
            mass=self.mass,
            density=self.density,
            friction=self.friction,
            group=self.group,
            action=self.action,
            text=self.text,
            pose=self.pose,
            up=self.up,
            body=self.body,
            max_object_distance=self.max_object_distance,
        )
        if self.contacts and motion.objects:
            from sim.contacts import extract_contacts

            motion = motion.replace(contacts=extract_contacts(motion))
        motion.save(self.output)
        sys.stdout.write(summary(motion, self.output))


def summary(motion: Motion, path: Path) -> str:
    """What was written, in a few lines."""
    from sim.geometry import Mesh

    lines = [f"{path}: {motion.num_frames} frames at {motion.fps:g} fps, {motion.duration:.2f} s"]
    for item in motion.objects:
        shape = item.geometry
        kind = f"mesh, {len(shape.vertices)} vertices" if isinstance(shape, Mesh) else f"{shape.kind} {shape.size} m"
        lines.append(f"object   {item.name} ({kind})")
    contacts = f"{len(motion.contacts)} keypoint-object pairs"
    if motion.contact_labels is not None:
        contacts += f", the file's labels touch in {(motion.contact_labels > 0).any(1).mean():.0%} of the frames"
    lines.append(f"contacts {contacts}")
    lines.extend(("source   " if i == 0 else "         ") + note for i, note in enumerate(motion.source.split("; ")))
    return "\n".join(lines) + "\n"
