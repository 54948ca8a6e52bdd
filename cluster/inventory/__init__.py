"""What lies in a run storage, read from the folders alone: no driver is asked, nothing is changed."""
