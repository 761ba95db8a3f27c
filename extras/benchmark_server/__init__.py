"""What Cityscapes' evaluation server wants and measures: submissions, official scores, iIoU
(chapter 10).
"""
