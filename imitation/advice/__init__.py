"""What to do about failures next: render, photograph, or look at the labels; and what cannot be told."""
