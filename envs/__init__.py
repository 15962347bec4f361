"""The batched imitation task, as a Gymnasium environment and as a Stable-Baselines3 VecEnv.

Importing this package registers `Touchstone/Tracking-v0` with Gymnasium (see `envs.gym`).
"""

import gymnasium

gymnasium.register(id="Touchstone/Tracking-v0", entry_point="envs.gym:TrackingEnv")
