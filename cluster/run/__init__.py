"""The main job: checks, the loop on the cluster's stages, the summary and the report."""
