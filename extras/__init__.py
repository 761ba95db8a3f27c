"""Rooms beside the course's helpers, one purpose each. They import helpers (and sample_city), never
the reverse.
"""
