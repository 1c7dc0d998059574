{#
    What the rows of one key are sorted by, newest first: event time, created time, then what breaks ties.

    Rule: P4. Times count in whole microseconds; a NULL created time is the oldest. Declared tie-breakers come first,
    then all orderable features in declared order, then the longer validity: the answer is the same on every engine and
    for every order of rows.
    returns a list of `expression desc nulls last`
#}
{%- macro newest_first(metadata) -%}
    {{ return(adapter.dispatch('newest_first', 'featurestore')(metadata)) }}
{%- endmacro -%}


{%- macro default__newest_first(metadata) -%}
    {%- set identifier = adapter.dispatch('identifier', 'featurestore') -%}
    {%- set microseconds = adapter.dispatch('microseconds', 'featurestore') -%}
    {%- set columns = [] -%}
    {%- set sorted = [microseconds(identifier(metadata.event_time)) ~ ' desc nulls last'] -%}
    {%- if metadata.get('created_at') -%}
        {%- do sorted.append(microseconds(identifier(metadata.created_at)) ~ ' desc nulls last') -%}
    {%- endif -%}
    {%- set types = metadata.get('types') or {} -%}
    {%- for column in (metadata.get('tie_breakers') or []) + (metadata.get('features') or []) -%}
        {%- if adapter.dispatch('is_orderable', 'featurestore')(types.get(column)) and column not in columns -%}
            {%- do columns.append(column) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for column in columns -%}
        {#- An enum is a text; by itself it is ordered by its place in the type. -#}
        {%- set is_enum = ((types.get(column) or '') | lower).startswith('enum') -%}
        {%- set value = 'cast(' ~ identifier(column) ~ ' as ' ~ dbt.type_string() ~ ')' if is_enum else identifier(column) -%}
        {%- do sorted.append(value ~ ' desc nulls last') -%}
    {%- endfor -%}
    {%- if metadata.get('valid_to') -%}
        {%- do sorted.append('coalesce(' ~ microseconds(identifier(metadata.valid_to)) ~ ', 9223372036854775807) desc') -%}
    {%- endif -%}
    {{ return(sorted) }}
{%- endmacro -%}


{#- BigQuery refuses NULLS LAST inside a window; its descending order puts NULLs last by itself. -#}
{%- macro bigquery__newest_first(metadata) -%}
    {%- if featurestore is defined -%}
        {%- set columns = featurestore.default__newest_first(metadata) -%}
    {%- else -%}
        {%- set columns = default__newest_first(metadata) -%}
    {%- endif -%}
    {%- set sorted = [] -%}
    {%- for column in columns -%}
        {%- do sorted.append(column | replace(' nulls last', '')) -%}
    {%- endfor -%}
    {{ return(sorted) }}
{%- endmacro -%}
