"""Hugging Face's datasets of boxes: Parquet with image bytes, or images beside a metadata file."""
