"""What is seen in a video: frames, landmarks, masks, tracks, depth, focal length."""
