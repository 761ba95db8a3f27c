"""What Cityscapes' evaluation server wants and measures: submissions, official scores
(chapter 10), and other protocols beside the official one (chapter 08).
"""
