"""Our own Parquet: one row a frame."""
