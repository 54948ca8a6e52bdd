"""The page, the text and the record of a comparison of arms."""
