"""The small package that the notebooks import: each module is one idea, and one chapter builds it
by hand.
"""
