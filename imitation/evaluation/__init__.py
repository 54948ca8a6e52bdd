"""From detections to fates: matching, failures, files of detections."""
