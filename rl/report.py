"""`report.html` of a run: verdict, replay, errors over time, training curve, figures, and what was used.

Every part is optional: a run that was not evaluated, or is still training, gets a report that says what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from rl.artefacts import ARTEFACTS, VERSIONS, is_version
from rl.record import Record, finite, read_record
from rl.verdict import VerdictConfig
from rl.wording import flat, measured, plain, quantity, unit_of, words
from sim.contact_graph import ContactGraph
from sim.contacts import extract_contacts
from sim.errors import TouchstoneError
from sim.files import write_text
from sim.motion import Motion
from sim.replay.html import page, replay_element
from sim.replay.plots import Series, interval_strip, line_plot
from sim.replay.stage import Stage, build_stage, drawn_body
from sim.skeleton import JOINT_NAMES

_RULE = VerdictConfig()
_LIMITS: dict[str, tuple[float, bool]] = {
    "completion": (1.0, True),
    "completion_perturbed": (_RULE.perturbed_completion, True),
    "mpjpe": (_RULE.mpjpe_mm, False),
    "object_position_error": (_RULE.object_mm, False),
    "object_rotation_error": (_RULE.object_deg, False),
    "contact_recall": (_RULE.contact_recall, True),
}
"""Figure -> the verdict's limit, and whether the figure has to reach it (or else to stay below)."""
_TOUCH = 0.03
"""m, within which the simulation's keypoints count as touching, where the evaluation does not say what touched."""
_FIGURE_OF_SERIES = {
    "mpjpe_mm": "mpjpe",
    "object_position_mm": "object_position_error",
    "object_rotation_deg": "object_rotation_error",
}
_PARTS: dict[str, tuple[str, ...]] = {
    "left hand": ("left_wrist", "left_index", "left_middle", "left_pinky", "left_ring", "left_thumb"),
    "right hand": ("right_wrist", "right_index", "right_middle", "right_pinky", "right_ring", "right_thumb"),
    "arms": ("_shoulder", "_elbow", "_collar"),
    "trunk, head": ("pelvis", "spine", "neck", "head"),
    "legs": ("_hip", "_knee"),
    "feet": ("_ankle", "_foot"),
}
"""Rows of the contact strip -> parts of the names of the tracks they gather."""


def write_report(run: Path) -> Path:
    """Write `report.html` into a run folder and return its path.

    Raises:
        RunError: if the folder does not exist or holds nothing of a run.
    """
    content = read_record(Path(run))
    path = content.folder / "report.html"
    write_text(path, page(f"Touchstone: {_title(content)}", report_body(content)))
    return path


def report_body(run: Record) -> str:
    """The page's content, HTML."""
    stage = stage_of(run)
    parts = [
        _header(run),
        _verdict(run.evaluation.get("verdict")),
        _headline(run.figures),
        replay_element(stage) if stage else card("Replay", '<p class="soft">No motion to show.</p>', "missing"),
        plot_grid([*_errors_over_time(run, stage), *_contact_strips(stage, by_force="touching" in run.evaluation)]),
        _artefacts(run),
        _figures(run.figures),
        plot_grid(_training_curves(run.progress)),
        '<div class="columns">' + _retarget(run.retarget) + _used(run) + "</div>",
        _missing(run.notes),
        "<footer>Written by Touchstone. The page holds everything it shows and opens offline.</footer>",
    ]
    return f"<main>{''.join(parts)}</main>"


def stage_of(run: Record) -> Stage | None:
    """What the replay shows, reference and simulation; None, with a note in the record, where there is nothing."""
    reference, simulation = run.reference or run.source, run.simulation
    if reference and simulation and _same_contacts(reference, simulation):
        # carried over from the reference, they would claim touch where there is none
        simulation = simulation.replace(contacts=ContactGraph(), contact_labels=None, object_contact=None)
    present: dict[str, Motion] = {}
    try:
        if reference:
            present["Reference"] = _with_contacts(reference)
        if simulation:  # physics leaves no gap, where mocap leaves centimetres
            present["Simulation"] = _with_contacts(simulation, _TOUCH)
        if not present:
            return None
        touch = _touching(run, simulation) if simulation else None
        geoms = drawn_body(next(iter(present.values())), "mitten" if _hands(run.config) == "mitten" else "full")
        try:
            return build_stage(present, geoms, touching={} if touch is None else {"Simulation": touch})
        except TouchstoneError as error:
            run.notes.append(f"the replay shows one motion only: {error}")
            return build_stage(dict(list(present.items())[:1]), geoms)
    except TouchstoneError as error:
        run.notes.append(f"the replay: {error}")
        return None


def _touching(run: Record, simulation: Motion) -> np.ndarray | None:
    """[T, J] bool from the evaluation's `touching` (joint name -> [[first, last frame], ...]), measured by force."""
    intervals = run.evaluation.get("touching")
    if not isinstance(intervals, Mapping):
        return None
    touching = np.zeros((simulation.num_frames, len(simulation.joint_names)), bool)
    for name, pairs in intervals.items():
        for first, last in pairs if name in simulation.joint_names else ():
            touching[first : last + 1, simulation.joint_names.index(name)] = True
    return touching


def _hands(settings: Mapping[str, Any]) -> Any:
    """The setting `hands`, at whatever depth the run's configuration keeps it."""
    if "hands" in settings:
        return settings["hands"]
    return next((h for v in settings.values() if isinstance(v, Mapping) and (h := _hands(v)) is not None), None)


def _with_contacts(motion: Motion, threshold: float = 0.1) -> Motion:
    """The motion with its contact graph, from geometry where it carries none."""
    if len(motion.contacts) or not motion.objects or motion.joint_names != JOINT_NAMES:
        return motion
    return motion.replace(contacts=extract_contacts(motion, threshold=threshold, rest_threshold=min(threshold, 0.05)))


def _same_contacts(reference: Motion, simulation: Motion) -> bool:
    frames = simulation.num_frames
    graph, labels = reference.contacts.cut(0, frames), reference.contact_labels
    if len(graph) and graph.keypoints == simulation.contacts.keypoints:
        return np.array_equal(graph.first_frame, simulation.contacts.first_frame)
    copied = simulation.contact_labels
    return labels is not None and copied is not None and np.array_equal(labels[:frames], copied)


def _title(run: Record) -> str:
    motion = run.source or run.reference or run.simulation
    return (motion.text or motion.action if motion else "") or run.folder.resolve().name


def _header(run: Record) -> str:
    motion = run.reference or run.source or run.simulation
    name = run.folder.resolve().name
    facts = [name] if name != _title(run) else []
    if motion:
        facts += [f"{motion.duration:.1f} s at {motion.fps:g} fps", *(o.name for o in motion.objects)]
    return (
        f'<header><h1>{escape(_title(run))}</h1><p>{escape(" · ".join(facts))}</p><span class="spacer"></span>'
        '<button data-part="theme" aria-label="Light or dark">Light / dark</button></header>'
    )


def _verdict(verdict: Any) -> str:
    if not isinstance(verdict, Mapping):
        return (
            '<section class="card verdict none"><div class="label">No verdict yet</div>'
            "<p>This run has not been evaluated: touchstone evaluate RUN</p></section>"
        )
    score, label = finite(verdict.get("score")), str(verdict.get("label", "no label"))
    tones = (("physical", "good"), ("partly", "fair"), ("not", "poor"))
    tone = next((tone for start, tone in tones if label.startswith(start)), "none")
    reasons = verdict.get("reasons", [])
    lines = "".join(_reason(str(r)) for r in ([reasons] if isinstance(reasons, str) else reasons))
    shown = "" if score is None else f'<span class="score">score {score:.2f}</span>'
    return (
        f'<section class="card verdict {tone}"><div class="label">{escape(label)}{shown}</div><ul>{lines}</ul>'
        f'<p class="rule"><b>The rule</b> {escape(str(verdict.get("rule", "not recorded")))}</p></section>'
    )


def _reason(text: str) -> str:
    """One reason; those that begin with `holds:` or `fails:` get a mark instead of the word."""
    word, _, rest = text.partition(": ")
    kind = {"holds": "pass", "fails": "fail"}.get(word)
    return f'<li class="{kind}">{escape(rest)}</li>' if kind else f"<li>{escape(text)}</li>"


def _headline(figures: Mapping[str, Any]) -> str:
    wanted = ("completion", "mpjpe", "object_position", "contact_recall")
    names = [next((n for n in figures if n.startswith(w)), None) for w in wanted]
    cards = "".join(
        f'<div class="card"><b>{quantity(f["value"], f["unit"])}</b><span>{escape(words(name))}</span></div>'
        for name in names
        if name is not None and (f := _figure(figures[name]))
    )
    return f'<div class="headline">{cards}</div>' if cards else ""


def _errors_over_time(run: Record, stage: Stage | None) -> list[str]:
    """One plot per series of the evaluation; `x_reference` joins `x`."""
    series = run.per_frame
    if stage is None:
        return []
    plots = []
    times = np.arange(stage.num_frames) / stage.fps
    for name, values in series.items():
        if name.endswith("_reference") and name.removesuffix("_reference") in series:
            continue
        lines = [Series("simulation", _on_clock(values, stage.num_frames))]
        if f"{name}_reference" in series:
            other = _on_clock(series[f"{name}_reference"], stage.num_frames)
            lines.append(Series("reference", other, "reference"))
        limit = _LIMITS.get(_FIGURE_OF_SERIES.get(name, ""))
        limits = {} if limit is None else {"limit of the mean": limit[0]}
        plots.append(line_plot(words(name), times, lines, unit=unit_of(name), clock=True, limits=limits))
    return plots


def _contact_strips(stage: Stage | None, *, by_force: bool) -> list[str]:
    if stage is None or not any(figure.touching.any() for figure in stage.figures):
        return []
    rows: dict[str, dict[str, np.ndarray]] = {}
    body = stage.tracks[: stage.num_body_tracks]
    for part, patterns in _PARTS.items():
        tracks = [i for i, name in enumerate(body) if any(pattern in name for pattern in patterns)]
        active = [np.asarray(figure.touching[:, tracks].any(1)) for figure in stage.figures]
        if any(a.any() for a in active):
            rows[part] = dict(zip(("reference", "simulation"), active, strict=False))
    how = "by force" if by_force else f"within {1000 * _TOUCH:.0f} mm"
    keys = {"reference": "reference", "simulation": f"simulation, {how}"} if len(stage.figures) > 1 else {}
    return [interval_strip("Contact with objects", (stage.num_frames - 1) / stage.fps, rows, legend=keys)]


def _training_curves(progress: Mapping[str, np.ndarray]) -> list[str]:
    if not progress or len(progress["steps"]) < 2:
        return []
    steps, plots = progress["steps"], []

    def add(title: str, names: Sequence[str], unit: str = "", y_max: float | None = None) -> None:
        tones = ("simulation", "third", "fourth", "reference")
        lines = [Series(words(n), progress[n], t) for n, t in zip(names, tones, strict=False) if n in progress]
        lines = [line for line in lines if np.isfinite(line.y).any()]
        if lines:
            plots.append(line_plot(title, steps, lines, unit=unit, x_label="", x_title="control steps", y_max=y_max))

    add("Training: share of the clip carried through", ["completion"], y_max=1.0)
    add("Training: return of an episode", ["episode_return"])
    add("Training: error", ["mpjpe_mm", "object_mm"], unit="mm")
    return plots


def _artefacts(run: Record) -> str:
    """A row a figure: the motion as given, as retargeted, and as physics carried it out."""
    figures, rows = run.figures, []
    for name, (unit, text) in ARTEFACTS.items():
        if is_version(name, figures):
            cells = "".join(f"<td>{quantity(_figure(figures[name + v])['value'], unit)}</td>" for v in VERSIONS)
            rows.append(f"<tr><td>{escape(words(name))} <small>{escape(text)}</small></td>{cells}</tr>")
    if not rows:
        return ""
    head = "".join(f"<th>{title}</th>" for title in ("artefact", *VERSIONS.values()))
    lived = f"{run.simulation.num_frames} frames" if run.simulation else "frames"
    note = f"Each by one formula, at control rate, over the {lived} that physics carried out; keypoints on the skin."
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return card("Artefacts, before and after physics", f'{table}<p class="soft">{note}</p>')


def _figures(figures: Mapping[str, Any]) -> str:
    """A row a figure but the artefacts'; `x_reference` goes into the row of `x`."""
    rows = []
    for name, content in figures.items():
        of_reference = name.endswith("_reference") and name.removesuffix("_reference") in figures
        if of_reference or is_version(name, figures):
            continue
        figure, limit = _figure(content), _LIMITS.get(name)
        reference = _figure(figures.get(f"{name}_reference"))
        value, kind, bound = finite(figure["value"]), "", quantity(None)
        if limit is not None:
            bound = ("≥ " if limit[1] else "≤ ") + quantity(limit[0], figure["unit"])
            holds = value is not None and (value >= limit[0] if limit[1] else value <= limit[0])
            kind = "" if value is None else f' class="{"pass" if holds else "fail"}"'
        explanation = f" <small>{escape(figure['explanation'])}</small>" if figure["explanation"] else ""
        rows.append(
            f"<tr><td>{escape(words(name))}{explanation}</td><td{kind}>{quantity(figure['value'], figure['unit'])}</td>"
            f"<td>{quantity(reference['value'], figure['unit'])}</td><td>{bound}</td></tr>"
        )
    if not rows:
        return ""
    head = "<tr><th>figure</th><th>simulation</th><th>reference</th><th>limit</th></tr>"
    return card("Figures", f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>")


def _figure(content: Any) -> dict[str, Any]:
    """value, unit and explanation of a figure, whatever form it has."""
    content = content if isinstance(content, Mapping) else {"value": content}
    texts = {key: str(content.get(key) or "") for key in ("unit", "explanation")}
    return {"value": content.get("value"), **texts}


def _retarget(retarget: Mapping[str, Any]) -> str:
    if not retarget:
        return ""
    return card("What retargeting changed", _pairs(measured(retarget)))


def _used(run: Record) -> str:
    rows: dict[str, Any] = {}
    for label, motion in (("source motion", run.source), ("reference", run.reference), ("simulation", run.simulation)):
        if motion and motion.source:
            rows[f"{label}: provenance"] = motion.source
    motion = run.reference or run.source
    for item in motion.objects if motion else ():
        mass = _entry(run.retarget, "object_masses_kg", item.name, item.mass)
        friction = _entry(run.retarget, "object_frictions", item.name, item.friction)
        rows[f"object {item.name}"] = f"mass {quantity(mass, 'kg')}, friction {quantity(friction)}"
    settings = flat(run.config)
    body = _pairs(rows) if rows else ""
    if settings:
        body += f"<details{'' if rows else ' open'}><summary>All settings</summary>{_pairs(settings)}</details>"
    return card("What was used", body) if body else ""


def _entry(content: Mapping[str, Any], table: str, name: str, default: Any) -> Any:
    """content[table][name], or the default where there is none."""
    entries = content.get(table)
    return entries.get(name, default) if isinstance(entries, Mapping) else default


def _missing(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    lines = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return card("Not in this report", f"<ul>{lines}</ul>", "missing")


def card(title: str, body: str, kind: str = "") -> str:
    """A titled section of a page around HTML."""
    return f'<section class="card {kind}"><h2>{escape(title)}</h2>{body}</section>'


def plot_grid(plots: Sequence[str]) -> str:
    """Plots side by side, in threes where that leaves no gap."""
    three = " three" if len(plots) % 3 == 0 else ""
    return f'<div class="plots{three}">{"".join(plots)}</div>' if plots else ""


def _pairs(rows: Mapping[str, Any]) -> str:
    lines = "".join(f"<tr><td>{escape(k)}</td><td>{escape(plain(v))}</td></tr>" for k, v in rows.items())
    return f'<table class="pairs"><tbody>{lines}</tbody></table>'


def _on_clock(values: Any, num_frames: int) -> np.ndarray:
    """[T] with NaN where the evaluation gave nothing."""
    line = np.full(num_frames, np.nan)
    numbers = [finite(v) for v in values] if isinstance(values, list) else []
    numbers = numbers[:num_frames]
    line[: len(numbers)] = [np.nan if v is None else v for v in numbers]
    return line
