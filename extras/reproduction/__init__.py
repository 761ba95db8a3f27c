"""From a Cityscapes root to a certificate that can be sent in, in steps that can be interrupted
(chapter 13).
"""
