"""Corrected copies of datasets (`imitate inspect --fix`): what the repairs of all kinds share."""
