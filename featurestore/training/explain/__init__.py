"""Explain one example: which feature row it got per view, and why not the next ones.

`run` asks the warehouse, `verdicts` applies the rules, `text` and `timeline` show it.
"""
