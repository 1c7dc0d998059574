"""Every metric of the server: what it is called, what it says, and how the workers' numbers become one.

The rule: a metric that is not in `FAMILIES` is not shown. Base units, names as Prometheus asks for; labels have few
values: names of the registry, endpoints, codes, workers.
"""

from __future__ import annotations

from featurestore.prometheus import Family

FAMILIES = (
    Family("featurestore_requests_total", "counter", "Requests that were answered.", ("endpoint", "code")),
    Family(
        "featurestore_lookup_seconds",
        "histogram",
        "Time from a lookup's head to its answer; service is empty where features were named.",
        ("service",),
    ),
    Family("featurestore_lookup_entities", "histogram", "Entities that a lookup was answered for."),
    Family(
        "featurestore_rows_total",
        "counter",
        "Rows that were looked up; NULL_VALUE where a feature that was asked for is null.",
        ("view", "status"),
    ),
    Family("featurestore_store_errors_total", "counter", "Lookups that the online store did not answer.", ("reason",)),
    Family(
        "featurestore_breaker_open",
        "gauge",
        "1 while lookups fail without being tried, since those before all failed.",
        combine=max,
    ),
    Family("featurestore_lookups_under_way", "gauge", "Lookups that ask the online store."),
    Family("featurestore_lookups_waiting", "gauge", "Lookups that wait for their turn; beyond the limit it is 429."),
    Family("featurestore_registry_version", "gauge", "The registry version that is served.", combine=min),
    Family("featurestore_registry_current", "gauge", "1 unless the last look for a newer version failed.", combine=min),
    Family("featurestore_registry_look_failures_total", "counter", "Looks for a newer version that failed."),
    Family(
        "featurestore_view_newest_event_timestamp_seconds",
        "gauge",
        "The greatest event time of a view that was synced.",
        ("view",),
        max,
    ),
    Family(
        "featurestore_view_synced_timestamp_seconds", "gauge", "When the last sync of a view ended.", ("view",), max
    ),
    Family("featurestore_view_ttl_seconds", "gauge", "After how long a view's values are too old.", ("view",), max),
    Family("featurestore_access_log_dropped_total", "counter", "Lines of the access log that nobody read in time."),
    Family("featurestore_workers", "gauge", "Workers."),
    Family("featurestore_worker_restarts_total", "counter", "Workers that were started in another's place."),
    Family("featurestore_worker_cpu_seconds_total", "counter", "Processor time of a worker.", ("worker",)),
    Family("featurestore_worker_resident_memory_bytes", "gauge", "Memory of a worker.", ("worker",), max),
    Family("featurestore_build_info", "gauge", "1, and what runs.", ("version", "python"), max),
    Family(
        "featurestore_feature_log_answers_total",
        "counter",
        "Answers of services that are logged: written, dropped, or sampled_out.",
        ("outcome",),
    ),
    Family("featurestore_feature_log_queued_bytes", "gauge", "Answers that wait to be written to the spool."),
    Family("featurestore_feature_log_broken", "gauge", "1 while the feature log cannot be written.", combine=max),
    Family(
        "featurestore_jobs", "gauge", "Syncs that were asked for over HTTP, by what became of them.", ("state",), max
    ),
)
