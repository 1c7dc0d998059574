{#
    The entities that a node's own columns declare by dbt's column property, with their join keys: {name: [columns]}.

    Rule: `entity: {type: primary | unique | natural, name: ...}`; without a name the column is the entity. Several columns of
    one entity are its join keys, in column order.
#}
{%- macro own_entities(node) -%}
    {{ return(adapter.dispatch('own_entities', 'featurestore')(node)) }}
{%- endmacro -%}


{%- macro default__own_entities(node) -%}
    {%- set declared = {} -%}
    {%- for column in node.columns.values() if column.get('entity') is mapping -%}
        {%- set name = column.entity.get('name') or column.name -%}
        {%- if column.entity.get('type') in ['primary', 'unique', 'natural'] -%}
            {%- do declared.update({name: declared.get(name, []) + [column.name]}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(declared) }}
{%- endmacro -%}
