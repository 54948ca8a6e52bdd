"""The one configuration of a run: its sections, how it is read and checked, and its template."""
