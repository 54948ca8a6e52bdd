"""Evaluation: detectors over frames, streamed through living workers."""
