"""The first two steps of the pipeline as commands, for whoever wants no notebook: the CSV files of
chapter 03 and the statistics of chapter 04.
"""
