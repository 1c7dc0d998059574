{#
    The join keys of a list of entities, in order, each once.

    Rule: an entity is declared on its own model (config.meta.feature_entity), or by dbt's column property
    `entity: {type: primary, name: ...}`; an undeclared one is its own join key. featurestore.yml is not visible to dbt.
#}
{%- macro entity_join_keys(entities) -%}
    {{ return(adapter.dispatch('entity_join_keys', 'featurestore')(entities)) }}
{%- endmacro -%}


{%- macro default__entity_join_keys(entities) -%}
    {%- set declared = {} -%}
    {%- for node in graph.nodes.values() if node.resource_type in ['model', 'snapshot', 'seed'] -%}
        {%- set own = adapter.dispatch('own_entities', 'featurestore')(node) -%}
        {%- for name in own if name not in declared -%}
            {%- do declared.update({name: own[name]}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for node in graph.nodes.values() if 'feature_entity' in (node.config.meta or {}) -%}
        {%- set entity = node.config.meta.feature_entity -%}
        {%- do declared.update({entity.name: entity.get('join_keys') or [entity.name]}) -%}
    {%- endfor -%}

    {%- set join_keys = [] -%}
    {%- for entity in entities -%}
        {%- for key in declared.get(entity, [entity]) if key not in join_keys -%}
            {%- do join_keys.append(key) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(join_keys) }}
{%- endmacro -%}
