"""Did it help, may it ship, what next?"""
