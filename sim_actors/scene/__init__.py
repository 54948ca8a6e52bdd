"""A scene as plain data: actors, ground, road, light, props, and how they project."""
