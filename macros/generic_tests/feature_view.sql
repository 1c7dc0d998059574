{#
    Passes when a feature view's rows can all be used: no NULL key, no NULL event time, and no two rows with
    the same keys, event time and created time (P2, P4).

    Rule: it reads the view's own metadata, so it takes no arguments. One row per problem found.
#}
{% test feature_view(model) %}
    {{ return(adapter.dispatch('test_feature_view', 'featurestore')(model)) }}
{% endtest %}


{%- macro default__test_feature_view(model) -%}
    {%- if not execute -%}
        {{ return('select 1 as not_yet') }}
    {%- endif -%}

    {#- `model` is the relation, or a subquery around it when the test has a `where` -#}
    {%- set tested = namespace(node=none, length=0) -%}
    {%- for node in graph.nodes.values() if node.get('relation_name') -%}
        {%- if node.relation_name in (model | string) and node.relation_name | length > tested.length -%}
            {%- set tested.node = node -%}
            {%- set tested.length = node.relation_name | length -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set identifier = adapter.dispatch('identifier', 'featurestore') -%}
    {%- set metadata = adapter.dispatch('feature_view_metadata', 'featurestore')(tested.node.name, tested.node.get('version')) -%}
    {%- set required = metadata.join_keys + [metadata.event_time] -%}
    {%- set identity = required + ([metadata.created_at] if metadata.created_at else []) -%}
    {%- set identity_sql = adapter.dispatch('comma_list', 'featurestore')(identity) -%}
    {%- for column in required %}
select '{{ column }} is null' as problem, count(*) as row_count
from {{ model }}
where {{ identifier(column) }} is null
having count(*) > 0

union all
    {% endfor %}
select 'same {{ identity | join(", ") }}' as problem, count(*) as row_count
from {{ model }}
where {% for column in required %}{{ identifier(column) }} is not null{{ " and " if not loop.last }}{% endfor %}
group by {{ identity_sql }}
having count(*) > 1
{%- endmacro -%}
