"""Video in, translated video out. Needs numpy, cv2, av and one inference engine; never torch."""
