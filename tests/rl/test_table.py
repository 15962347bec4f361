"""The table's means and spreads by hand, what is missing, and the three files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.report import Command
from rl.table import COLUMNS, TOTAL, Table, read_table
from rl.table_page import write_table
from rl.table_text import markdown_of, with_spread
from sim.errors import RunError
from sim.motion import Motion

EVIL = "<img src=x onerror=alert(1)>"
Evaluate = Callable[..., Path]


def evaluation(mpjpe: float | None, *, completion: float = 1.0, contact: float = 10.0, label: str = "physical") -> Any:
    values = {
        "completion": completion,
        "mpjpe": mpjpe,
        "contact_distance": contact,
        "jitter": 2.0,
        "contact_recall": 0.5,
    }
    figures = {name: {"value": value, "unit": "", "explanation": ""} for name, value in values.items()}
    return {"verdict": {"label": label, "score": 0.8}, "figures": figures, "per_frame": {}, "episodes": []}


def plan(folder: Path, groups: dict[str, list[str]], settings: tuple[str, ...], seeds: tuple[int, ...]) -> None:
    clips = [{"clip": f"motions/{name}.pt", "group": group} for group, names in groups.items() for name in names]
    (folder / "manifest.json").write_text(json.dumps({"name": "bench", "clips": clips}))
    (folder / "plan.json").write_text(json.dumps({"settings": settings, "groups": list(groups), "seeds": seeds}))


@pytest.fixture
def evaluate(tmp_path: Path) -> Evaluate:
    """evaluate(setting, group, seed, clip, mpjpe, ...): write one evaluation and answer its folder."""

    def write(setting: str, group: str, seed: int, clip: str, *args: Any, **settings: Any) -> Path:
        folder = tmp_path / setting / group / f"seed{seed}" / "clips" / clip
        folder.mkdir(parents=True)
        (folder / "evaluation.json").write_text(json.dumps(evaluation(*args, **settings)))
        return folder

    return write


@pytest.fixture
def full(tmp_path: Path, evaluate: Evaluate) -> Path:
    """Two rewards, two groups (two clips and one), two seeds, everything there."""
    plan(tmp_path, {"push": ["a", "b"], "lift": ["c"]}, ("TR", "TR+LR"), (0, 1))
    for seed, (a, b, c) in enumerate(((10.0, 20.0, 60.0), (20.0, 40.0, 90.0))):
        for shift, setting in ((0.0, "TR"), (-4.0, "TR+LR")):
            for group, clip, value in (("push", "a", a), ("push", "b", b), ("lift", "c", c)):
                evaluate(setting, group, seed, clip, value, contact=30.0 + value / 10 + 5 * shift)
    return tmp_path


def test_mean_over_clips_then_mean_and_spread_over_seeds(full: Path) -> None:
    table = read_table(full)
    push, lift, total = (table.row("TR", group).stats["mpjpe"] for group in ("push", "lift", TOTAL))
    assert push.per_seed == (15.0, 30.0)
    assert push.mean == 22.5
    assert push.spread == pytest.approx(15 / np.sqrt(2))  # of 15 and 30, not of the four clips
    assert (lift.mean, lift.per_seed) == (75.0, (60.0, 90.0))
    assert total.per_seed == (30.0, 50.0)  # every clip counts once, however large its group
    assert total.mean == 40.0
    assert total.spread == pytest.approx(20 / np.sqrt(2))
    row = table.row("TR")
    assert (row.evaluated, row.failed, row.missing, row.expected) == (6, 0, 0, 6)
    assert row.stats["contact_recall"].mean == 50.0
    assert row.stats["score"].mean == pytest.approx(0.8)
    assert row.stats["unassisted"].mean == 100.0
    assert row.stats["object_position_error"].mean is None  # no clip has it


def test_spread_between_clips_is_not_spread_between_seeds(tmp_path: Path, evaluate: Evaluate) -> None:
    plan(tmp_path, {"push": ["a", "b"]}, ("TR",), (0, 1))
    for seed in (0, 1):
        evaluate("TR", "push", seed, "a", 10.0)
        evaluate("TR", "push", seed, "b", 90.0)
    assert read_table(tmp_path).row("TR").stats["mpjpe"].spread == 0.0


def test_one_seed_has_no_spread(tmp_path: Path, evaluate: Evaluate) -> None:
    plan(tmp_path, {"push": ["a"]}, ("TR",), (3,))
    evaluate("TR", "push", 3, "a", 10.0)
    table = read_table(tmp_path)
    assert table.row("TR").stats["mpjpe"].spread is None
    assert with_spread(table.row("TR").stats["mpjpe"]) == "10.0"
    assert "one seed: no spread" in markdown_of(table)


def test_what_is_missing_is_counted_and_named_and_not_averaged(tmp_path: Path, evaluate: Evaluate) -> None:
    plan(tmp_path, {"push": ["a", "b"]}, ("TR",), (0, 1))
    evaluate("TR", "push", 0, "a", 10.0)
    evaluate("TR", "push", 0, "b", None, completion=0.25)  # was lived too short for an error
    table = read_table(tmp_path)
    row = table.row("TR")
    assert (row.evaluated, row.failed, row.missing) == (2, 0, 2)
    assert row.stats["mpjpe"].per_seed == (10.0, None)
    assert row.stats["completion"].mean == 62.5
    assert row.stats["success"].mean == 50.0
    text = markdown_of(table)
    assert "2 of 4, 2 missing" in text
    assert "TR / push / seed 1: not run (2): a, b" in text


def test_what_failed_at_once_has_completion_zero_and_no_error(tmp_path: Path, evaluate: Evaluate) -> None:
    plan(tmp_path, {"push": ["a", "b"]}, ("TR",), (0,))
    evaluate("TR", "push", 0, "a", 10.0)
    (tmp_path / "failures.json").write_text(json.dumps({"TR/push/seed0/clips/b": "unstable at frame 0"}))
    row = read_table(tmp_path).row("TR")
    assert (row.evaluated, row.failed, row.missing) == (1, 1, 0)
    assert (row.stats["completion"].mean, row.stats["success"].mean, row.stats["score"].mean) == (50.0, 50.0, 0.4)
    assert row.stats["mpjpe"].mean == 10.0
    assert "TR / push / seed 0: unstable at frame 0 (1): b" in markdown_of(read_table(tmp_path))


def test_a_damaged_evaluation_is_missing(full: Path) -> None:
    (full / "TR" / "push" / "seed0" / "clips" / "a" / "evaluation.json").write_text("{")
    table = read_table(full)
    assert table.row("TR", "push").missing == 1
    assert "evaluation.json cannot be read (1): a" in markdown_of(table)


def test_what_the_plan_does_not_name_is_shown_too(full: Path, evaluate: Evaluate) -> None:
    evaluate("TR", "push", 7, "a", 10.0)
    evaluate("other", "throw", 0, "d", 10.0)
    table = read_table(full)
    assert table.settings == ("TR", "TR+LR", "other")
    assert table.seeds == (0, 1, 7)
    assert table.groups == ("push", "lift", "throw")


def test_a_reward_is_compared_over_what_both_have(full: Path) -> None:
    steps = {step.key: step for step in read_table(full).steps()}
    contact, error = steps["contact_distance"], steps["mpjpe"]
    assert (contact.before, contact.after, contact.pairs) == ("TR", "TR+LR", 6)
    assert contact.change == pytest.approx(-20.0)
    assert contact.spread == pytest.approx(2 / np.sqrt(2))  # per seed 33 and 35 mm
    assert contact.outcome == "better"
    assert error.outcome == "within spread"
    (full / "TR" / "lift" / "seed1" / "clips" / "c" / "evaluation.json").unlink()
    error = read_table(full).steps()[1]
    assert (error.key, error.pairs) == ("mpjpe", 5)
    assert error.change == 0.0  # the clip that one lacks is left out of both


def test_only_what_both_carried_through(full: Path) -> None:
    path = full / "TR+LR" / "push" / "seed0" / "clips" / "b" / "evaluation.json"
    path.write_text(json.dumps(evaluation(500.0, completion=0.5)))
    table = read_table(full)
    assert table.steps()[1].change == pytest.approx(80.0)  # 480 mm on one of three clips, of one of two seeds
    assert table.steps(completed_only=True)[1].change == 0.0
    assert table.steps(completed_only=True)[1].pairs == 5


def test_json_round_trip(full: Path) -> None:
    (full / "TR" / "lift" / "seed1" / "clips" / "c" / "evaluation.json").unlink()
    table = read_table(full)
    again = Table.from_json(json.loads(json.dumps(table.to_json(), allow_nan=False)))
    assert again.rows == table.rows
    assert again.steps() == table.steps()
    assert (again.verdicts, again.reasons) == (table.verdicts, table.reasons)


def test_markdown_tables_are_regular_and_hold_the_published_rows(full: Path) -> None:
    blocks = [b.splitlines() for b in markdown_of(read_table(full)).split("\n\n") if b.startswith("|")]
    assert len(blocks) == 3
    for lines in blocks:
        assert len({line.count("|") for line in lines}) == 1
        assert re.fullmatch(r"\| --- (\| ---: )+\|", lines[1])
    total = [[cell.strip() for cell in line.strip("|").split("|")] for line in blocks[0]]
    assert total[0][1:4] == ["MPJPE [mm]", "contact [mm]", "jitter [mm/frame³]"]
    assert len(total[0]) == len(COLUMNS) + 2
    assert total[2][:2] == ["TR", "40.0 ± 14.1"]
    assert [row[:4] for row in total[-3:]] == [
        ["TR, published", "151.82", "43.94", "91.43"],
        ["TR+LR, published", "156.54", "39.53", "80.37"],
        ["TR+LR+CR, published", "125.76", "26.76", "79.63"],
    ]
    assert len(blocks[2]) == 2 + 2 * 2  # groups x rewards


def test_the_page_fetches_nothing_and_links_to_what_is_there(
    full: Path, carrying_motion: Callable[..., Motion]
) -> None:
    folder = full / "TR+LR" / "push" / "seed0" / "clips" / "a"
    for name in ("motion", "reference", "simulation"):
        carrying_motion(1 if name == "simulation" else 0).save(folder / f"{name}.npz")
    text = write_table(full)[2].read_text()
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?\s*(https?:)?//""", text)
    links = re.findall(r'href="([^"]*)"', text)
    assert set(links) == {"TR%2BLR/push/seed0/clips/a/report.html"}  # written because it was not there
    assert (folder / "report.html").is_file()
    assert text.count('class="replay"') == 1
    assert text.count("<details") >= 2
    assert text.count('<figure class="plot">') == 6


def test_no_text_breaks_out_of_the_page(tmp_path: Path, evaluate: Evaluate) -> None:
    plan(tmp_path, {EVIL: ["a"]}, ("TR",), (0,))
    (tmp_path / "manifest.json").write_text(json.dumps({"name": EVIL, "clips": [{"clip": EVIL, "group": EVIL}]}))
    (tmp_path / "failures.json").write_text(json.dumps({f"TR/{EVIL}/seed0": EVIL}))
    evaluate("TR", "push", 0, "<b>bold", 10.0, label=EVIL)
    page = write_table(tmp_path)[2].read_text()
    assert "onerror" in page
    assert "<img" not in page
    assert "<b>bold" not in page


def test_a_folder_without_manifest_or_evaluations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no manifest\.json"):
        write_table(tmp_path)
    plan(tmp_path, {"push": ["a"]}, ("TR",), (0,))
    with pytest.raises(RunError, match=r"not one evaluation\.json"):
        write_table(tmp_path)
    assert not list(tmp_path.glob("table.*"))


def test_the_verb_tabulates_a_folder(full: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Command(manifest=full).run()
    assert capsys.readouterr().out.split() == [str(full / f"table.{suffix}") for suffix in ("md", "json", "html")]
    assert json.loads((full / "table.json").read_text())["name"] == "bench"


def test_the_verb_tabulates_what_is_there_without_running(full: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Command(manifest=full / "manifest.json", output=full, train=False).run()
    assert (full / "table.html").is_file()
    assert "table.md" in capsys.readouterr().out


@pytest.mark.parametrize("command", [Command(), Command(Path("run"), manifest=Path("bench.json"))])
def test_the_verb_needs_one_thing_to_report(command: Command) -> None:
    with pytest.raises(RunError, match="name one run folder, or a manifest"):
        command.run()


def test_the_page_says_at_its_head_what_its_figures_leave_out(tmp_path: Path, evaluate: Evaluate) -> None:
    plan(tmp_path, {"push": ["a", "b"]}, ("TR",), (0, 1))
    evaluate("TR", "push", 0, "a", 10.0)
    head = write_table(tmp_path)[2].read_text().split("</header>")[0]
    assert "1 reward ·" in head
    assert "3 missing" in head


def test_a_page_that_leaves_nothing_out_says_so_by_silence(full: Path) -> None:
    head = write_table(full)[2].read_text().split("</header>")[0]
    assert "2 rewards ·" in head
    assert " missing" not in head.split("<h1>")[1]
