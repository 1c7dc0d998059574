{#
    What a feature view's YAML says, with its entities turned into join keys: the one place that reads `graph`.

    Rule: everything stands in the model's own config.meta.feature_view; nothing is declared twice. Without `entities` there
    the entities are those that its columns declare.
    In dbt unit tests `graph` is empty: override this macro there with a dict of the same keys.

    returns {name, version, join_keys, event_time, event_time_type, created_at, ttl, delay, as_of, boundary, tie_breakers,
             valid_to, features, types}; absent options are none
#}
{%- macro feature_view_metadata(name, version=none) -%}
    {{ return(adapter.dispatch('feature_view_metadata', 'featurestore')(name, version)) }}
{%- endmacro -%}


{%- macro default__feature_view_metadata(name, version=none) -%}
    {%- if graph is not defined or graph.nodes is not defined -%}
        {{ exceptions.raise_compiler_error("dbt shows no `graph` here, as in a unit test, so the metadata of feature view '" ~ name ~ "' cannot be read\n  -> in the unit test: overrides: {macros: {" ~ ('featurestore.' if featurestore is defined else '') ~ "feature_view_metadata: {" ~ name ~ ": {join_keys: [...], event_time: ..., ttl: 30d, features: [...]}}}}") }}
    {%- endif -%}

    {%- set found = namespace(node=none) -%}
    {%- set known = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type in ['model', 'snapshot', 'seed'] -%}
        {%- set versioned = node.get('version') is not none -%}
        {%- set wanted = node.name == name and (
            (not versioned or node.version == node.get('latest_version')) if version is none
            else versioned and node.version | string == version | string
        ) -%}
        {%- if 'feature_view' in node.config.meta -%}
            {%- do known.append(node.name ~ ('@v' ~ node.version if versioned else '')) -%}
        {%- endif -%}
        {%- if wanted -%}
            {%- set found.node = node -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set node = found.node -%}
    {%- if node is none or 'feature_view' not in node.config.meta -%}
        {{ exceptions.raise_compiler_error("'" ~ name ~ ('@v' ~ version if version else '') ~ "' is not a feature view\n  -> add config.meta.feature_view to its YAML; feature views here: " ~ known | sort | join(', ')) }}
    {%- endif -%}

    {%- set spec = node.config.meta.feature_view if node.config.meta.feature_view is mapping else {} -%}
    {%- set is_snapshot = node.resource_type == 'snapshot' -%}
    {%- set renamed = node.config.get('snapshot_meta_column_names') or {} -%}
    {%- set snapshot_columns = [] -%}
    {%- for column in ['dbt_valid_from', 'dbt_valid_to', 'dbt_scd_id', 'dbt_updated_at', 'dbt_is_deleted'] if is_snapshot -%}
        {%- do snapshot_columns.append(renamed.get(column) or column) -%}
    {%- endfor -%}
    {%- set event_time = spec.get('event_time') or spec.get('valid_from')
        or (snapshot_columns[0] if is_snapshot else node.config.get('event_time')) -%}
    {%- set valid_to = spec.get('valid_to') or (snapshot_columns[1] if is_snapshot else none) -%}
    {%- if not event_time -%}
        {{ exceptions.raise_compiler_error("feature view '" ~ name ~ "' has no event time\n  -> set config.event_time in its YAML") }}
    {%- endif -%}

    {#- Types: the table, else the YAML. An enforced contract is the table. -#}
    {%- set types = {} -%}
    {%- if not (node.config.get('contract') or {}).get('enforced') -%}
        {%- do types.update(adapter.dispatch('column_types', 'featurestore')(node.database, node.schema, node.alias)) -%}
    {%- endif -%}
    {%- if not types -%}
        {%- for column in node.columns.values() -%}
            {%- do types.update({column.name: column.get('data_type')}) -%}
        {%- endfor -%}
    {%- endif -%}

    {#- Names: as the table has them. -#}
    {%- set match_column = adapter.dispatch('match_column', 'featurestore') -%}
    {%- set columns = types.keys() | list -%}
    {%- set event_time = match_column(event_time, columns) -%}
    {%- set created_at = match_column(spec.get('created_at'), columns) -%}
    {%- set valid_to = match_column(valid_to, columns) -%}
    {%- set entities = spec.entities if spec.get('entities') is not none
        else adapter.dispatch('own_entities', 'featurestore')(node).keys() | list -%}
    {%- if spec.get('entities') is none and not entities -%}
        {{ exceptions.raise_compiler_error("feature view '" ~ name ~ "' names no entities\n  -> write entities: [...] in its YAML, or entities: [] if it has none") }}
    {%- endif -%}
    {%- set join_keys = [] -%}
    {%- for key in adapter.dispatch('entity_join_keys', 'featurestore')(entities) -%}
        {%- do join_keys.append(match_column(key, columns)) -%}
    {%- endfor -%}
    {%- set tie_breakers = [] -%}
    {%- for column in spec.get('tie_breakers') or [] -%}
        {%- do tie_breakers.append(match_column(column, columns)) -%}
    {%- endfor -%}

    {%- set reserved = join_keys + [event_time, valid_to, created_at] -%}
    {%- for column in snapshot_columns -%}
        {%- do reserved.append(match_column(column, columns)) -%}
    {%- endfor -%}
    {%- set features = [] -%}
    {%- for column in spec.get('features') or types.keys() -%}
        {%- set column = match_column(column, columns) -%}
        {%- if (spec.get('features') or column not in reserved) and column not in features -%}
            {%- do features.append(column) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for column in join_keys + [event_time] if types and column not in types -%}
        {{ exceptions.raise_compiler_error("feature view '" ~ name ~ "' has no column '" ~ column ~ "'\n  -> its columns: " ~ types.keys() | join(', ') ~ "; an entity's join keys are declared on its model: config.meta.feature_entity") }}
    {%- endfor -%}
    {{ return({
        'name': name,
        'version': node.version | string if node.get('version') is not none else none,
        'join_keys': join_keys,
        'event_time': event_time,
        'event_time_type': types.get(event_time),
        'created_at': created_at,
        'ttl': spec.get('ttl'),
        'delay': spec.get('delay'),
        'as_of': spec.get('as_of'),
        'boundary': spec.get('boundary'),
        'tie_breakers': tie_breakers,
        'valid_to': valid_to,
        'features': features,
        'types': types,
    }) }}
{%- endmacro -%}
