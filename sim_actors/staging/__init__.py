"""From a request to a scene: placing, re-staging, accepting."""
