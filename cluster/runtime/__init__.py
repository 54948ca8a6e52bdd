"""Ray and processes: starting, waiting for places, signals, attempts, submitted jobs."""
