"""Waymo Open v2: Parquet components, one file a segment."""
