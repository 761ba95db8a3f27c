"""Small interactive pictures: sizes and receptive fields (chapter 02), scoring protocols (chapter
08).
"""
