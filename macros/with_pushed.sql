{#
    The rows of a CTE of this model and those that were pushed to it, as one SELECT: the last line of a feature model.

    Rule: of rows with the same keys, event time and created time the one pushed last counts, and a pushed row counts more
    than the model's own; the model's own rows are never made one. No created time equals no created time.
    Columns are the CTE's: one that pushes lack, as it is no feature, is NULL in pushed rows. Pushed values get the types
    that the model's YAML or its table has. Before anything was pushed, and in unit tests, it is the CTE alone.
    cte: the name of the CTE, whose columns are the model's.
    Pushed rows are in `<view>__pushed` of the target's schema, or in the table that `feature_view.pushed` names.

        {{ "{{ featurestore.with_pushed('final') }}" }}
#}
{%- macro with_pushed(cte) -%}
    {{ return(adapter.dispatch('with_pushed', 'featurestore')(cte)) }}
{%- endmacro -%}


{%- macro default__with_pushed(cte) -%}
    {%- if not execute or graph is not defined or graph.nodes is not defined -%}
        {{ return('select * from ' ~ cte) }}
    {%- endif -%}
    {%- set version = '_v' ~ model.version if model.get('version') is not none else '' -%}
    {%- set spec = model.config.meta.get('feature_view') -%}
    {%- set spec = spec if spec is mapping else {} -%}
    {%- set place = (spec.get('pushed') or model.name ~ version ~ '__pushed').split('.') -%}
    {%- set schema = place[0] if place | length > 1 else target.schema -%}
    {%- set relation = adapter.get_relation(target.database, schema, place[-1]) -%}
    {%- if relation is none -%}
        {{ return('select * from ' ~ cte) }}
    {%- endif -%}
    {%- set event_time = spec.get('event_time') or spec.get('valid_from') or model.config.get('event_time') -%}
    {%- set entities = spec.entities if spec.get('entities') is not none
        else adapter.dispatch('own_entities', 'featurestore')(model).keys() | list -%}
    {%- if not event_time -%}
        {{ exceptions.raise_compiler_error("with_pushed: model '" ~ model.name ~ "' has no event time\n  -> add config.event_time and config.meta.feature_view to its YAML") }}
    {%- endif -%}

    {#- Types: the YAML, else the table as it was built last. -#}
    {%- set types = {} -%}
    {%- set built = adapter.dispatch('column_types', 'featurestore')(model.database, model.schema, model.alias) -%}
    {%- for name in built -%}
        {%- do types.update({name | lower: built[name]}) -%}
    {%- endfor -%}
    {%- for column in model.columns.values() if column.get('data_type') -%}
        {%- do types.update({column.name | lower: column.data_type}) -%}
    {%- endfor -%}

    {%- set identifier = adapter.dispatch('identifier', 'featurestore') -%}
    {%- set match_column = adapter.dispatch('match_column', 'featurestore') -%}
    {%- set names = [] -%}
    {%- set casts = [] -%}
    {%- for column in adapter.get_columns_in_relation(relation) if column.name | lower != '_pushed_at' -%}
        {%- set name = identifier(column.name) -%}
        {%- set type = types.get(column.name | lower, column.data_type) -%}
        {%- do names.append(column.name) -%}
        {%- do casts.append(name if type | lower == column.data_type | lower else 'cast(' ~ name ~ ' as ' ~ type ~ ') as ' ~ name) -%}
    {%- endfor -%}

    {%- set keys = [] -%}
    {%- set same = [] -%}
    {%- for key in adapter.dispatch('entity_join_keys', 'featurestore')(entities) + [event_time] -%}
        {%- set name = identifier(match_column(key, names)) -%}
        {%- do keys.append(name) -%}
        {%- do same.append('__own.' ~ name ~ ' = __new.' ~ name) -%}
    {%- endfor -%}
    {%- if spec.get('created_at') -%}
        {%- set name = identifier(match_column(spec.get('created_at'), names)) -%}
        {%- do keys.append(name) -%}
        {%- do same.append('(__own.' ~ name ~ ' = __new.' ~ name ~ ' or (__own.' ~ name ~ ' is null and __new.' ~ name ~ ' is null))') -%}
    {%- endif -%}

    {#- the row pushed last is copy 1 -#}
    {%- set pushed -%}
select {{ adapter.dispatch('comma_list', 'featurestore')(names) }}
    from (
        select
            {{ casts | join(', ') }},
            row_number() over (partition by {{ keys | join(', ') }} order by _pushed_at desc) as __copy
        from {{ relation }}
    ) as __pushed_copies
    where __copy = 1
    {%- endset -%}
    {%- set own -%}
select *
    from {{ cte }} as __own
    where not exists (
        select 1
        from (
            {{ pushed }}
        ) as __new
        where {{ same | join(' and ') }}
    )
    {%- endset -%}
    {{ return(adapter.dispatch('union_pushed', 'featurestore')(cte, own, pushed, names)) }}
{%- endmacro -%}


{#-
    One SELECT of both, column by column by name. Where SQL has no UNION BY NAME, an outer join with nothing gives each
    side the other's columns, in one order: those of USING, then the rest.
-#}
{%- macro default__union_pushed(cte, own, pushed, names) -%}
{%- set using = adapter.dispatch('comma_list', 'featurestore')(names) -%}
select *
from (
    {{ own }}
) as __own
left join (select {{ using }} from (
    {{ pushed }}
) as __nothing where 1 = 0) as __no_pushed using ({{ using }})

union all

select *
from (select * from {{ cte }} where 1 = 0) as __no_own
right join (
    {{ pushed }}
) as __pushed_rows using ({{ using }})
{%- endmacro -%}


{%- macro duckdb__union_pushed(cte, own, pushed, names) -%}
select *
from (
    {{ own }}
) as __own

union all by name

select *
from (
    {{ pushed }}
) as __pushed_rows
{%- endmacro -%}
