"""What do I have, and what is wrong with it?"""
