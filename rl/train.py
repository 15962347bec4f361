"""Train a policy that carries motions out: planning of each, then PPO by Stable-Baselines3 over the batched task."""

from __future__ import annotations

import csv
import dataclasses
import io
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat

from envs.clips import require_alike
from envs.tracking import TrackingTask
from envs.vec import TrackingVecEnv, spaces
from rl import checkpoints
from rl.config import TrainConfig
from rl.planning import plan_clips, with_plan
from rl.policy import RunningNorm, TrackingPolicy
from rl.rollouts import Evaluator
from rl.runs import ClipFolder, RunFolder, load_config, save_config
from sim.errors import RunError, TouchstoneError
from sim.files import write_json, write_text
from sim.motion import Motion
from sim.retarget import Reference, retarget

_LEARNING_RATES = (1e-6, 1e-2)


class Progress(NamedTuple):
    """One evaluation from frame 0 of every clip, as reported while training and written to progress.csv.

    steps of training so far, wall seconds spent on them, share of the clip lived, errors over the lived frames (means
    over the clips), mean return and length of the last training episodes, the learner's share of the wall time,
    unstable physics so far, the share lived of the clip that fares worst, and the share of the clips that are mastered.
    """

    steps: int
    seconds: float
    completion: float
    mpjpe_mm: float
    object_mm: float
    episode_return: float
    episode_frames: float
    learner_share: float
    unstable: int
    worst_completion: float = 0.0
    mastered: float = 0.0


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """How training ended, and its evaluations.

    `mastered`, `steps` or `minutes` (which budget was spent), or `planned` where nothing was to be learned.
    """

    ended_by: str
    history: tuple[Progress, ...]

    @property
    def first_completion_steps(self) -> int | None:
        """Control steps until all clips were first carried through from frame 0, as evaluated."""
        return next((p.steps for p in self.history if p.completion >= 1.0), None)


def train(
    motions: Motion | Mapping[str, Motion] | None,
    folder: Path,
    config: TrainConfig | None = None,
    *,
    resume: bool = False,
    jobs: int = 1,
    on_progress: Callable[[Progress], None] | None = None,
    on_steps: Callable[[int], None] | None = None,
    on_failure: Callable[[str, TouchstoneError], None] | None = None,
) -> TrainResult:
    """Train one policy on a clip, or on several at once; everything lands in the run folder.

    Args:
        motions: the clip, or clips by name, which then lie in `clips/<name>/`.
        folder: run folder; made, or gone on with when `resume`.
        config: of the run.
        resume: go on with what the folder holds, its own configuration and motions (both arguments are ignored): clips
            that are planned are not planned again, and training has the curve that an uninterrupted run would have had.
        jobs: clips that are planned at a time, each in a process of its own.
        on_progress: called after each evaluation; on_steps: called often, with the control steps so far.
        on_failure: called with the name of a clip that cannot be used and why, and the clip is left out; without it
            that is an error.

    Raises:
        RunError: the folder already holds a run, or holds none to resume, or cannot be written; no clip can be used.
    """
    run = RunFolder(folder)
    if resume:
        run.require(run.config)
        config, motions = load_config(run.config, TrainConfig), _saved_motions(run)
    elif run.checkpoint.exists():
        raise RunError(f"{folder} already holds a run; go on with --resume, or choose another folder with -o")
    config = config or TrainConfig()
    if config.torch_threads:
        torch.set_num_threads(config.torch_threads)
    assert motions is not None, "a new run needs motions"
    named = {folder.name: motions} if isinstance(motions, Motion) else dict(motions)
    references = _references(named, config, on_failure)
    if not resume:
        _begin_folder(run, named, references, config, flat=isinstance(motions, Motion))
    began, steps = time.perf_counter(), 0
    if config.refine.iterations and not run.checkpoint.exists():
        planned = plan_clips(run.clips, list(references.values()), config, jobs=jobs, on_steps=on_steps)
        steps = sum(clip.steps for clip in planned)
    final = [with_plan(clip, reference) for clip, reference in zip(run.clips, references.values(), strict=True)]
    env = TrackingVecEnv(TrackingTask(final, config.task, seed=config.seed))
    model = build_model(env, config, log=run.tensorboard)
    trainer = _Trainer(run, config, final, on_progress, on_steps)
    if run.checkpoint.exists():
        trainer.restore(model, env)
    else:
        model.num_timesteps, trainer.seconds = steps, time.perf_counter() - began
    try:
        trainer.carry_on(model, env)
    except OSError as error:
        raise RunError(f"cannot write into {folder}: {error.strerror or error}; then go on with --resume") from error
    finally:
        env.close()
        trainer.evaluator.task.close()
    return TrainResult(trainer.ended_by or "steps", tuple(trainer.history))


def build_model(env: TrackingVecEnv, config: TrainConfig, *, log: Path | None = None) -> PPO:
    """The learner, untrained."""
    p = config.ppo
    model = PPO(
        TrackingPolicy,
        env,
        learning_rate=p.learning_rate,
        n_steps=p.steps_per_env,
        batch_size=p.batch_size,
        n_epochs=p.epochs,
        gamma=p.gamma,
        gae_lambda=p.gae_lambda,
        clip_range=p.clip_range,
        ent_coef=p.entropy_weight,
        vf_coef=p.value_weight,
        max_grad_norm=p.max_grad_norm,
        seed=config.seed,
        device="cpu",
        policy_kwargs=_policy_arguments(config),
    )
    outputs = [TensorBoardOutputFormat(str(log))] if log else []
    model.set_logger(Logger(folder=None, output_formats=list(outputs)))
    return model


def build_policy(task: TrackingTask, config: TrainConfig) -> TrackingPolicy:
    """The learner's network alone, for evaluation."""
    observation, action = spaces(task)
    return TrackingPolicy(observation, action, lambda _: config.ppo.learning_rate, **_policy_arguments(config))


def _policy_arguments(config: TrainConfig) -> dict[str, Any]:
    p = config.ppo
    return {
        "net_arch": {"pi": list(p.layers), "vf": list(p.layers)},
        "activation_fn": torch.nn.ELU,
        "log_std_init": float(np.log(p.deviation)),
        "learn_deviation": p.learn_deviation,
        "features_extractor_class": RunningNorm,
    }


def _saved_motions(run: RunFolder) -> dict[str, Motion]:
    """What a run trains on, by name. Raises RunError where it holds none."""
    for clip in run.clips:
        clip.require(clip.motion)
    return {clip.path.name: Motion.load(clip.motion) for clip in run.clips}


def _references(
    motions: Mapping[str, Motion], config: TrainConfig, on_failure: Callable[[str, TouchstoneError], None] | None
) -> dict[str, Reference]:
    """Retargeted clips by name, in order; with `on_failure`, those that physics can begin with in one batch."""
    references: dict[str, Reference] = {}
    for name, motion in motions.items():
        try:
            reference = retarget(motion, config.scene, config.retarget)
            if on_failure:
                require_alike([*list(references.values())[:1], reference])
                TrackingTask(reference, dataclasses.replace(config.task, num_envs=1)).close()
            references[name] = reference
        except TouchstoneError as error:
            if on_failure is None:
                raise
            on_failure(name, error)
    if not references:
        raise RunError("no clip can be used: " + (", ".join(motions) or "there is none"))
    return references


def _begin_folder(
    run: RunFolder,
    motions: Mapping[str, Motion],
    references: Mapping[str, Reference],
    config: TrainConfig,
    *,
    flat: bool,
) -> None:
    """What is left of a run that was stopped before its first checkpoint is written over or removed."""
    save_config(run.config, config)
    run.clip_list.unlink(missing_ok=True)
    for name, reference in references.items():
        clip: ClipFolder = run if flat else run.clip(name)
        clip.planning.unlink(missing_ok=True)
        clip.corrections.unlink(missing_ok=True)
        motions[name].save(clip.motion)
        reference.motion.save(clip.reference)
        write_json(clip.retarget, dataclasses.asdict(reference.report))
    if not flat:
        write_json(run.clip_list, {"clips": list(references)})  # last: where it lies, the clips are complete


class _Trainer(BaseCallback):
    """Normalisation, evaluation, checkpoints, logs and the stop, around SB3's loop."""

    def __init__(
        self,
        run: RunFolder,
        config: TrainConfig,
        references: Sequence[Reference],
        on_progress: Callable[[Progress], None] | None,
        on_steps: Callable[[int], None] | None,
    ) -> None:
        super().__init__()
        self.run, self.config = run, config
        self.evaluator = Evaluator(references, config.task)
        self.on_progress, self.on_steps = on_progress, on_steps
        self.history: list[Progress] = []
        self.ended_by = ""
        self.seconds, self.learner_seconds = 0.0, 0.0
        self.learning_rate = config.ppo.learning_rate
        self._rollout_began = self._learning_began = 0.0
        self._mark = time.perf_counter()
        self._saved_at: int | None = None
        self._unstable_saved = 0

    @property
    def env(self) -> TrackingVecEnv:
        """The batch in training."""
        assert isinstance(self.training_env, TrackingVecEnv)
        return self.training_env

    def carry_on(self, model: PPO, env: TrackingVecEnv) -> None:
        """Learn until the budget is spent, and save; what planning found is always evaluated."""
        if not self.config.learn:
            if not self.history:
                model._setup_learn(0, self, reset_num_timesteps=False)
                self.num_timesteps = model.num_timesteps
                self._on_rollout_start()
            self.ended_by = self.ended_by or "planned"
            return
        remaining = self.config.max_steps - model.num_timesteps
        if not self.ended_by and (remaining > 0 or not self.history):
            model.learn(max(remaining, 1), callback=self, reset_num_timesteps=False)
            self.save(model, env)

    def _on_training_start(self) -> None:
        self._mark = time.perf_counter()

    def _on_rollout_start(self) -> None:
        """The learning step, if there was one, has just ended."""
        self._tick(learning=self.num_timesteps > 0 and self._learning_began > 0)
        self._adapt_learning_rate()
        self._normalise()
        due = self.history[-1].steps + self.config.evaluate_every if self.history else 0
        if self.num_timesteps >= due:
            self._evaluate()
        if self._saved_at is None or self.num_timesteps - self._saved_at >= self.config.checkpoint_every:
            self.save(self._ppo, self.env)
        self._mark = time.perf_counter()

    def _on_step(self) -> bool:
        if self.on_steps:
            self.on_steps(self.num_timesteps)
        if self.config.max_minutes and self.seconds > 60.0 * self.config.max_minutes:
            self.ended_by = self.ended_by or "minutes"
        return not self.ended_by

    def _on_rollout_end(self) -> None:
        self._tick(learning=False)
        for name, total in self.env.term_sums.items():
            self.logger.record(f"reward/{name}", total / self.env.term_steps)
        self.env.term_sums, self.env.term_steps = {}, 0
        self._report_unstable()
        self.logger.dump(self.num_timesteps)
        self._learning_began = time.perf_counter()

    def _on_training_end(self) -> None:
        """What was learned last is evaluated, too."""
        self._tick(learning=self._learning_began > 0)
        self._normalise()
        if not self.ended_by and self.history[-1].steps < self.num_timesteps:
            self._evaluate()

    def _report_unstable(self) -> None:
        """Physics that failed is counted in the log, and the last steps of it lie in the run folder for replay."""
        task = self.env.task
        self.logger.record("physics/unstable", task.unstable_count)
        if task.unstable_count > self._unstable_saved:
            checkpoints.save_unstable(self.run.unstable, list(task.unstable_steps))
            self._unstable_saved = task.unstable_count

    def _normalise(self) -> None:
        """Learn the observations' moments from the last rollout, now that the update with the old ones is over."""
        extractor, buffer = self._ppo.policy.features_extractor, self._ppo.rollout_buffer
        assert isinstance(extractor, RunningNorm)
        seen = buffer.observations if buffer.full else np.asarray(self._ppo._last_obs)
        if buffer.full or extractor.count < 1.0:
            extractor.update(torch.as_tensor(seen).reshape(-1, extractor.features_dim))

    def _adapt_learning_rate(self) -> None:
        """Hold the divergence of an update near what is desired (the rule of rsl_rl's adaptive schedule)."""
        desired, divergence = self.config.ppo.desired_kl, self.logger.name_to_value.get("train/approx_kl")
        if not desired or divergence is None:
            return
        if divergence > 2.0 * desired:
            self.learning_rate = max(self.learning_rate / 1.5, _LEARNING_RATES[0])
        elif divergence < 0.5 * desired:
            self.learning_rate = min(self.learning_rate * 1.5, _LEARNING_RATES[1])
        self._use_learning_rate(self._ppo, self.learning_rate)

    def _use_learning_rate(self, model: PPO, rate: float) -> None:
        """From the next update on; the optimiser's state carries it into checkpoints."""
        self.learning_rate = rate
        model.lr_schedule = lambda _: rate
        for group in model.policy.optimizer.param_groups:
            group["lr"] = rate

    @property
    def _ppo(self) -> PPO:
        assert isinstance(self.model, PPO)
        return self.model

    def _tick(self, *, learning: bool) -> None:
        """Book the time since the last mark on the learner or on the rollout."""
        now = time.perf_counter()
        self.seconds += now - self._mark
        self.learner_seconds += (now - self._mark) * learning
        self._mark = now

    def _evaluate(self) -> None:
        episodes = self.evaluator.run(self._ppo.policy)
        recent = list(self._ppo.ep_info_buffer or [])
        completion, body, things = episodes.completion(), episodes.mpjpe_mm(), episodes.object_mm()
        limits = self.config.mastery
        mastered = (completion >= 1.0) & (body <= limits.mpjpe_mm) & (things <= limits.object_mm)
        progress = Progress(
            steps=self.num_timesteps,
            seconds=round(self.seconds, 1),
            completion=float(completion.mean()),
            mpjpe_mm=float(body.mean()),
            object_mm=float(things.mean()),
            episode_return=float(np.mean([e["r"] for e in recent])) if recent else 0.0,
            episode_frames=float(np.mean([e["l"] for e in recent])) if recent else 0.0,
            learner_share=self.learner_seconds / max(self.seconds, 1e-9),
            unstable=self.env.task.unstable_count,
            worst_completion=float(completion.min()),
            mastered=float(mastered.mean()),
        )
        best = max((_rank(p) for p in self.history), default=(-1.0, 0.0))
        self.history.append(progress)
        self._write_progress()
        for name, value in progress._asdict().items():
            self.logger.record(f"evaluation/{name}", value)
        if len(completion) > 1:
            for clip, share in zip(self.run.clips, completion, strict=True):
                self.logger.record(f"completion/{clip.path.name}", float(share))
        if _rank(progress) > best:
            checkpoints.save_policy(self.run.policy, self._ppo.policy)
        if self.on_progress:
            self.on_progress(progress)
        if self._mastered():
            self.ended_by = "mastered"

    def _mastered(self) -> bool:
        m = self.config.mastery
        recent = self.history[-m.evaluations :] if m.evaluations else []
        return bool(recent) and len(recent) == m.evaluations and all(p.mastered >= 1.0 for p in recent)

    def _write_progress(self) -> None:
        """As a whole: rows of an interrupted run that lie after its last checkpoint come anew when it is resumed."""
        text = io.StringIO()
        csv.writer(text).writerows([Progress._fields, *self.history])
        write_text(self.run.progress, text.getvalue())

    def save(self, model: PPO, env: TrackingVecEnv) -> None:
        """Write a checkpoint from which training goes on as if it had not stopped."""
        seconds = (self.seconds, self.learner_seconds)
        checkpoints.save_training(self.run.checkpoint, model, env, [tuple(p) for p in self.history], seconds)
        self._saved_at = model.num_timesteps

    def restore(self, model: PPO, env: TrackingVecEnv) -> None:
        """Read the last checkpoint back."""
        rows, (self.seconds, self.learner_seconds) = checkpoints.load_training(self.run.checkpoint, model, env)
        self.history = [Progress(*row) for row in rows]
        self._saved_at, self._unstable_saved = model.num_timesteps, env.task.unstable_count
        self._write_progress()
        if self._mastered():
            self.ended_by = "mastered"
        self._use_learning_rate(model, float(model.policy.optimizer.param_groups[0]["lr"]))


def _rank(progress: Progress) -> tuple[float, float]:
    """Better policies live longer, then err less."""
    return progress.completion, -(progress.mpjpe_mm + progress.object_mm)
