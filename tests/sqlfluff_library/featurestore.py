"""What sqlfluff takes the dbt package's macros for, so that models can be linted without dbt."""


def training_set(**arguments: object) -> str:
    """Any SELECT."""
    return "select 1 as example"


def latest_features(view: str) -> str:
    """Any SELECT."""
    return "select 1 as newest"


def order_by_entity_time() -> str:
    """As it is printed for a view."""
    return ""


def type_double() -> str:
    """DuckDB's."""
    return "double"
