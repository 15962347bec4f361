"""The ground of Touchstone: motion, body, object, retargeting, batched physics, metrics and replay."""
