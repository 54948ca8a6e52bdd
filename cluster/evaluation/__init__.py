"""Evaluation: detectors over frames, streamed by Ray Data."""
