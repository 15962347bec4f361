"""Detection, the object, frame rates, every kind of bad file, and all clips of the benchmark."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from sim.errors import FormatError, MotionError, TouchstoneError, UnknownNameError
from sim.formats import LAYOUTS, detect_layout, export_motion, import_motion
from sim.geometry import Primitive
from sim.motion import Motion

BOX = Primitive("box", (0.4, 0.4, 0.4))


def save(content: object, path: Path) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize(("width", "name"), [(591, "intermimic-591"), (337, "skillmimic-337"), (331, "physhoi-331")])
def test_layout_is_detected_by_its_width(tmp_path: Path, width: int, name: str) -> None:
    assert name in LAYOUTS
    assert detect_layout(save(torch.ones(3, width), tmp_path / "a.pt")) == name


def test_all_clips_of_the_benchmark(data: Path) -> None:
    manifest = json.loads((data / "bench80.json").read_text())["clips"]
    assert len(manifest) == 80
    for row in manifest:
        path = data / row["clip"]
        geometry = BOX if row["object"].endswith(".obj") else None
        motion = import_motion(path, geometry=geometry, group=row["group"])
        assert motion.fps == row["fps"]
        assert motion.group == row["group"]
        assert row["format"] in motion.source
        stem = Path(row["object"]).stem
        assert motion.objects[0].name == ("ball" if geometry is None else stem)
        # nobody's joints are deeper than 3 cm under the floor or higher than 3 m
        height = motion.joint_positions_w[..., 2]
        assert -0.03 < height.min() < 0.2
        assert height.max() < 3.2
        assert 1.3 < np.ptp(height[:, :], axis=1).max() < 2.6


def test_imported_motion_survives_the_file(tmp_path: Path, physhoi_table: torch.Tensor) -> None:
    motion = import_motion(save(physhoi_table, tmp_path / "a.pt"), mass=0.6, friction=0.9, text="throws a ball")
    motion.save(tmp_path / "a.npz")
    again = Motion.load(tmp_path / "a.npz")
    np.testing.assert_array_equal(again.joint_positions_w, motion.joint_positions_w)
    assert again.source == motion.source
    assert (again.objects[0].mass, again.objects[0].friction, again.text) == (0.6, 0.9, "throws a ball")
    with pytest.raises(FormatError, match="a Touchstone motion already"):
        import_motion(tmp_path / "a.npz")


def test_a_tensor_that_requires_grad(tmp_path: Path, physhoi_table: torch.Tensor) -> None:
    path = save(physhoi_table.clone().requires_grad_(), tmp_path / "a.pt")
    assert import_motion(path).num_frames == len(physhoi_table)


def test_a_tensor_saved_on_a_cuda_device(tmp_path: Path, physhoi_table: torch.Tensor) -> None:
    """The storage's device in the file is rewritten from 'cpu' to 'cuda:0', as a GPU would have written it."""
    plain, path = io.BytesIO(), tmp_path / "a.pt"
    torch.save(physhoi_table, plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename.endswith("data.pkl"):
                assert b"X\x03\x00\x00\x00cpu" in content
                content = content.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
            new.writestr(entry, content)
    assert import_motion(path).num_frames == len(physhoi_table)


def test_object_defaults(tmp_path: Path, physhoi_table: torch.Tensor, intermimic_table: torch.Tensor) -> None:
    ball = import_motion(save(physhoi_table, tmp_path / "a.pt"))
    assert ball.objects[0].geometry == Primitive("sphere", (0.12,))
    other = import_motion(tmp_path / "a.pt", geometry=Primitive("sphere", (0.1,)), object_name="melon")
    assert other.objects[0].geometry == Primitive("sphere", (0.1,))
    assert other.objects[0].name == "melon"
    assert "default object" not in other.source
    path = save(intermimic_table, tmp_path / "sub3_tripod_012.pt")
    with pytest.raises(FormatError, match=r"the pose of an object \('tripod'\) but not its shape.*--object"):
        import_motion(path)


def far(table: torch.Tensor) -> torch.Tensor:
    table[3, 318:321] = torch.tensor([30.0, 0.0, 1.0])
    return table


def with_nan(table: torch.Tensor) -> torch.Tensor:
    table[7, 20] = float("nan")
    return table


def no_bone(table: torch.Tensor) -> torch.Tensor:
    table[:, 162 + 6 : 162 + 9] = table[:, 162 + 3 : 162 + 6]  # the knee on the hip
    return table


def torn(table: torch.Tensor) -> torch.Tensor:
    table[:, 162:318] = torch.rand(len(table), 156, generator=torch.Generator().manual_seed(0)) * 2
    return table


def millimetres(table: torch.Tensor) -> torch.Tensor:
    table[:, 162:321] *= 1000
    return table


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (with_nan, r"joint_rotvec is not finite at frame 7"),
        (lambda t: t[:0], r"empty tensor of shape \[0, 331\]"),
        (lambda t: t[:1], r"1 frame\(s\) with data, a motion needs at least 2"),
        (lambda t: t[:, :300], r"300 columns; known layouts .*intermimic-591 \(591\).*skillmimic-337 \(337\).*\(331\)"),
        (lambda t: t[0], r"shape \[331\], expected \[frames, columns\]"),
        (lambda t: [1, 2], r"holds a list, expected one tensor"),
        (lambda t: {"poses_": t}, r"not SMPL-X parameters .*poses_.*intermimic-591 \(591\)"),
        (far, r"the object is 29\.8 m from the person at frame 3, more than 10 m"),
        (no_bone, r"zero-length bone: left_knee lies on its parent"),
        (torn, r"do not belong together: the bone to \w+ varies by \d+ mm"),
        (millimetres, r"the pelvis moves at \d+ m/s, faster than any runner"),
    ],
)
def test_bad_content(
    tmp_path: Path, physhoi_table: torch.Tensor, spoil: Callable[[torch.Tensor], object], message: str
) -> None:
    path = save(spoil(physhoi_table), tmp_path / "clip.pt")
    with pytest.raises(FormatError, match=message) as caught:
        import_motion(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_far_object_can_be_allowed(tmp_path: Path, physhoi_table: torch.Tensor) -> None:
    motion = import_motion(save(far(physhoi_table), tmp_path / "a.pt"), max_object_distance=50.0)
    assert motion.objects[0].position_w[3, 0] == 30.0


@pytest.mark.parametrize("keep", [0, 10, 500, 20_000])
def test_truncated_file(tmp_path: Path, physhoi_table: torch.Tensor, keep: int) -> None:
    path = save(physhoi_table, tmp_path / "a.pt")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(FormatError, match=r"a\.pt: .*(truncated|empty)") as caught:
        import_motion(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"just some text, no tensor at all " * 20, "not a file that torch can read|damaged"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer.*git lfs pull"),
    ],
)
def test_not_a_torch_file(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(FormatError, match=message):
        import_motion(tmp_path / "a.pt")


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return eval, (f"open({str(tmp_path / 'pwned')!r}, 'w')",)

    save(Evil(), tmp_path / "a.pt")
    with pytest.raises(FormatError, match="plain tensors"):
        import_motion(tmp_path / "a.pt")
    assert not (tmp_path / "pwned").exists()


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no such file"):
        import_motion(tmp_path / "a.pt")
    with pytest.raises(FormatError, match="no such file"):
        detect_layout(tmp_path)


def test_wrong_layout(tmp_path: Path, physhoi_table: torch.Tensor) -> None:
    path = save(physhoi_table, tmp_path / "a.pt")
    assert import_motion(path, layout="physhoi-331").num_frames == len(physhoi_table)
    with pytest.raises(FormatError, match="intermimic-591 has 591 columns, the file 331, which is physhoi-331"):
        import_motion(path, layout="intermimic-591")
    with pytest.raises(UnknownNameError, match="Did you mean 'physhoi-331'"):
        import_motion(path, layout="physhoi")
    with pytest.raises(FormatError, match="holds a Tensor, expected SMPL-X parameters"):
        import_motion(path, layout="smplx")


@pytest.mark.parametrize("fps", [0.0, -30.0, float("nan"), float("inf")])
def test_no_frame_rate(tmp_path: Path, physhoi_table: torch.Tensor, fps: float) -> None:
    with pytest.raises(FormatError, match="is not a frame rate"):
        import_motion(save(physhoi_table, tmp_path / "a.pt"), fps=fps)


def test_wrong_frame_rate(tmp_path: Path, physhoi_table: torch.Tensor, intermimic_table: torch.Tensor) -> None:
    with pytest.raises(FormatError, match=r"its free fall fits 25 fps.*--fps"):
        import_motion(save(physhoi_table, tmp_path / "a.pt"), fps=60)
    with pytest.raises(FormatError, match=r"at 1000 fps the pelvis moves at 21 m/s"):  # 0.0209 m a frame
        import_motion(save(intermimic_table, tmp_path / "b.pt"), geometry=BOX, fps=1000)


@pytest.mark.parametrize("quantity", ["mass", "density", "friction"])
def test_object_properties_must_be_positive(tmp_path: Path, physhoi_table: torch.Tensor, quantity: str) -> None:
    with pytest.raises(MotionError, match=f"{quantity}: -1"):
        import_motion(save(physhoi_table, tmp_path / "a.pt"), **{quantity: -1.0})


def test_export_leaves_nothing_half_written(tmp_path: Path, physhoi_table: torch.Tensor) -> None:
    motion = import_motion(save(physhoi_table, tmp_path / "a.pt"))
    with pytest.raises(UnknownNameError, match="intermimic-591"):
        export_motion(motion, tmp_path / "b.pt", layout="physhoi-331")
    (tmp_path / "file").write_text("")
    with pytest.raises(TouchstoneError, match="cannot write"):
        export_motion(motion, tmp_path / "file" / "b.pt")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.pt", "file"]
