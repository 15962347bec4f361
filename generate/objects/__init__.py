"""Objects that a sentence names, made of convex parts; and what is asked of a mesh before a motion is made with it."""
