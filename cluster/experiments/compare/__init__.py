"""`imitate compare CONFIG`: every arm on the same splits and seeds, and the table that says whether it "
"helped."""
