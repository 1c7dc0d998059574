"""From a Feast repository to a dbt project; none of Feast's code and none of the repository's runs in this process."""
