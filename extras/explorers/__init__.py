"""Small interactive pictures: a street to wipe and to dim (chapter 00), sizes and skips (02), a
training to watch (07).
"""
