"""Bad data, made by code: what people's files hold, through every door that reads them.

`python -m fuzz` (`make fuzz`) runs thousands of cases and prints a table; tests/fuzz runs the same generators shorter.
"""
