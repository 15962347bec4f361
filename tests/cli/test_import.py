"""`touchstone import` and `touchstone export`, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.main import main
from sim.geometry import Mesh, Primitive
from sim.motion import Motion


def test_import_and_export_a_real_clip(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip, mesh = data / "motions" / "omomo" / "sub8_largebox_000.pt", data / "objects" / "largebox.obj"
    made = tmp_path / "clip.npz"
    options = ["--group", "push_box", "--mass", "2", "--no-contacts", "-o", str(made)]
    assert main(["import", str(clip), "--object", str(mesh), *options]) == 0
    said = capsys.readouterr().out
    assert "129 frames at 30 fps, 4.27 s" in said
    assert "largebox (mesh, 13551 vertices)" in said
    assert "bone offset spread mean 0.00 max 0.00 mm" in said
    motion = Motion.load(made)
    assert isinstance(motion.objects[0].geometry, Mesh)
    assert (motion.objects[0].mass, motion.group) == (2.0, "push_box")

    assert main(["export", str(made), "-o", str(tmp_path / "out.pt")]) == 0
    assert "InterMimic's loader expects a file name like" in capsys.readouterr().out
    again = ["import", str(tmp_path / "out.pt"), "--object", "box:x=0.4,y=0.4,z=0.3", "--no-contacts"]
    assert main([*again, "-o", str(tmp_path / "again.npz")]) == 0
    assert Motion.load(tmp_path / "again.npz").objects[0].geometry == Primitive("box", (0.4, 0.4, 0.3))


def test_contacts_are_extracted(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sim.contacts")
    clip = data / "motions" / "ballplay" / "catch__003_008pickle_catch_012.pt"
    assert main(["import", str(clip), "-o", str(tmp_path / "a.npz")]) == 0
    assert len(Motion.load(tmp_path / "a.npz").contacts) > 0


def test_errors_are_one_line_and_leave_nothing(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = data / "motions" / "omomo" / "sub8_largebox_000.pt"
    assert main(["import", str(clip), "-o", str(tmp_path / "a.npz")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "('largebox') but not its shape" in said
    assert main(["export", str(tmp_path / "a.npz"), "-o", str(tmp_path / "a.pt")]) == 2
    assert list(tmp_path.iterdir()) == []
