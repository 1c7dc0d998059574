"""Who carries the rows of a sync: this process, or a cluster's workers. One file per engine."""
