"""Configuration of a training run: one frozen tree that is saved with the run."""

from __future__ import annotations

from dataclasses import dataclass, field

from envs.tracking import TaskConfig
from rl.lqr import LqrConfig
from rl.refine import RefineConfig
from sim.retarget import RetargetConfig
from sim.scene import SceneConfig


@dataclass(frozen=True)
class PpoConfig:
    """Proximal policy optimisation (Stable-Baselines3).

    Attributes:
        steps_per_env: control steps an environment takes per update.
        batch_size: samples per gradient step.
        epochs: passes over the samples of an update.
        learning_rate: of Adam, at the start.
        desired_kl: the learning rate is cut or raised by half after an update whose divergence between old and new
            policy was more than twice or less than half of this; 0 keeps it constant. With 69 actions a constant rate
            that suits one phase of learning lets the policy jump (KL > 1) in another.
        gamma, gae_lambda: discount, and lambda of generalised advantage estimation.
        clip_range: of the probability ratio.
        deviation: standard deviation of the actions at the start, in units of the action.
        learn_deviation: whether the deviation is learned or stays.
        layers: hidden layers of policy and of value network.
        value_weight: of the value loss; entropy_weight: of the entropy bonus.
        max_grad_norm: gradient clipping.
    """

    steps_per_env: int = 24
    batch_size: int = 768
    epochs: int = 4
    learning_rate: float = 1e-4
    desired_kl: float = 0.01
    gamma: float = 0.97
    gae_lambda: float = 0.95
    clip_range: float = 0.2
    deviation: float = 0.1
    learn_deviation: bool = False
    layers: tuple[int, ...] = (512, 256)
    value_weight: float = 0.5
    entropy_weight: float = 0.0
    max_grad_norm: float = 1.0


@dataclass(frozen=True)
class MasteryConfig:
    """When training may stop before its budget is spent: so many evaluations in a row with every clip within limits.

    Attributes:
        evaluations: in a row; 0 never stops early.
        mpjpe_mm: mean joint distance from the reference; object_mm: mean object distance.
    """

    evaluations: int = 1
    mpjpe_mm: float = 60.0
    object_mm: float = 45.0


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        max_steps: control steps over all environments.
        max_minutes: of wall time, planning included, its feedback not; 0 is unlimited.
        seed: of network, actions and start states.
        torch_threads: for the learner; 0 takes all cores.
        evaluate_every: control steps between evaluations from frame 0.
        checkpoint_every: control steps between checkpoints.
        mastery: early stop.
        learn: whether PPO follows planning; without it, what planning found is judged.
        refine: planning that corrects the references' PD targets before learning; its steps count.
        lqr: feedback around what was planned; its steps count, too.
        ppo, task, scene, retarget: see their classes.
    """

    max_steps: int = 2_000_000
    max_minutes: float = 0.0
    seed: int = 0
    torch_threads: int = 0
    evaluate_every: int = 50_000
    checkpoint_every: int = 50_000
    learn: bool = True
    mastery: MasteryConfig = field(default_factory=MasteryConfig)
    refine: RefineConfig = field(default_factory=RefineConfig)
    lqr: LqrConfig = field(default_factory=LqrConfig)
    ppo: PpoConfig = field(default_factory=PpoConfig)
    task: TaskConfig = field(default_factory=TaskConfig)
    scene: SceneConfig = field(default_factory=SceneConfig)
    retarget: RetargetConfig = field(default_factory=RetargetConfig)
