{#
    The newest row of each key of a feature view: what a sync writes online, as a SELECT.

    Rule: P4. Rows with a NULL key or a NULL event time are nobody's and left out. A row may be past its ttl.
    view: 'view' or 'view@v2'
    Columns: join keys, event time, created time if any, end of validity if any, features.
#}
{%- macro latest_features(view) -%}
    {{ return(adapter.dispatch('latest_features', 'featurestore')(view)) }}
{%- endmacro -%}


{%- macro default__latest_features(view) -%}
    {%- set reference = adapter.dispatch('parse_feature_reference', 'featurestore')(view) -%}
    {%- set relation = ref(reference.view) if reference.version is none else ref(reference.view, v=reference.version) -%}
    {%- if not execute -%}
        {{ return('select 1 as not_yet') }}
    {%- endif -%}
    {%- set metadata = adapter.dispatch('view_metadata', 'featurestore')(reference) -%}
    {%- set use = adapter.dispatch('view_use', 'featurestore')({'reference': reference, 'relation': relation}, metadata) -%}
    {%- set rules = adapter.dispatch('time_rules', 'featurestore')(use) -%}
    {%- set comma_list = adapter.dispatch('comma_list', 'featurestore') -%}
    {%- set columns = use.join_keys + [use.metadata.event_time] -%}
    {%- for column in [use.metadata.get('created_at'), use.metadata.get('valid_to')] + use.metadata.features if column and column not in columns -%}
        {%- do columns.append(column) -%}
    {%- endfor -%}

with

-- rank 1 is the newest row of its key (P4)
__ranked as (
    select
        {{ comma_list(columns) }},
        row_number() over (
            {%- if use.join_keys %}
            partition by {{ comma_list(use.join_keys) }}
            {%- endif %}
            order by {{ rules.newest_first | join(', ') }}
        ) as __rank
    from {{ relation }}
    where {{ rules.usable | join(' and ') }}
)

select {{ comma_list(columns) }} from __ranked where __rank = 1
{%- endmacro -%}
