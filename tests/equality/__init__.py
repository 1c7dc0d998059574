"""One answer, two ways: a training set by the dbt macro and by the Python compiler."""
