"""The body fitted to landmarks over a clip, on the floor."""
