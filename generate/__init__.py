"""Motion that no camera saw: authored clips now; text and image to motion later."""
