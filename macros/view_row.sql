{#
    The select list that brings one row of a view into internal columns: keys, times in microseconds, features.
#}
{%- macro view_row(use, rules) -%}
    {{ return(adapter.dispatch('view_row', 'featurestore')(use, rules)) }}
{%- endmacro -%}


{%- macro default__view_row(use, rules) -%}
    {%- set identifier = adapter.dispatch('identifier', 'featurestore') -%}
    {%- set columns = [] -%}
    {%- for key in use.join_keys -%}
        {%- do columns.append(identifier(key) ~ ' as __key_' ~ loop.index) -%}
    {%- endfor -%}
    {%- do columns.append(rules.event_us ~ ' as __event_us') -%}
    {%- do columns.append(rules.visible_us ~ ' as __visible_us') -%}
    {%- if rules.has_end -%}
        {%- do columns.append(rules.until_us ~ ' as __until_us') -%}
    {%- endif -%}
    {%- do columns.append(identifier(use.metadata.event_time) ~ ' as __event_time') -%}
    {%- for feature in use.features -%}
        {%- do columns.append(identifier(feature) ~ ' as __feature_' ~ loop.index) -%}
    {%- endfor -%}
    {{ return(columns | join(',\n        ')) }}
{%- endmacro -%}
