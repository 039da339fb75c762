"""Sigma by its specification: files of several documents, rules, correlations and filters, read by detlab itself.

Version 2.1 of the specification. Nothing here knows pySigma but `conversion`, which is imported where a query is asked
for: what a rule means by its own text is then an opinion of its own.
"""
