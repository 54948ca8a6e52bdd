"""What files hold: Arrow columns of records, checked records, old names of keys, weights that run no code."""
