"""BDD100K: Scalabel's JSON, a file a list or a video."""
