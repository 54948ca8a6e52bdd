"""Why a detector fails: kinds of error and their cost, modes, subgroups, what is out of reach."""
