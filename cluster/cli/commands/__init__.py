"""The commands, a folder for each group of the help; `cluster/cli/registry.py` names them."""
