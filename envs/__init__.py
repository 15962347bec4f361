"""The batched imitation task, as a Gymnasium environment and as a Stable-Baselines3 VecEnv."""
