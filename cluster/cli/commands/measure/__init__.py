"""How good is it, and where does it fail?"""
