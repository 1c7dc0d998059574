"""What sqlfluff takes dbt's own macros for, so that models can be linted without dbt."""


def datediff(first: str, second: str, part: str) -> str:
    """As DuckDB's adapter writes it."""
    return f"date_diff('{part}', {first}, {second})"
