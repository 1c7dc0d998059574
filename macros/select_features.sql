{#
    The uses of views and the named output columns that a list of references asks for.

    Rule: a view used under one name with one set of keys is one use (P11); outputs stand in request order,
    a feature named twice is one column, and any clash of names is an error that names both sides (P12).

    requests:      [{reference, relation}] in request order
    spine_columns: names already taken; empty when they cannot be known
    returns {uses: [{id, name, view, relation, metadata, spine_keys, features}], outputs: [{name, expression}]}
#}
{%- macro select_features(requests, spine_columns, full_feature_names, event_timestamps) -%}
    {{ return(adapter.dispatch('select_features', 'featurestore')(
        requests, spine_columns, full_feature_names, event_timestamps
    )) }}
{%- endmacro -%}


{%- macro default__select_features(requests, spine_columns, full_feature_names, event_timestamps) -%}
    {%- set uses = {} -%}
    {%- set metadata_of = {} -%}
    {%- set outputs = [] -%}
    {%- set taken = {} -%}
    {%- for column in spine_columns -%}
        {%- do taken.update({column | lower: "column '" ~ column ~ "' of the spine"}) -%}
    {%- endfor -%}

    {%- for request in requests -%}
        {%- set reference = request.reference -%}
        {%- if reference.text_of_view not in metadata_of -%}
            {%- do metadata_of.update({
                reference.text_of_view: adapter.dispatch('view_metadata', 'featurestore')(reference)
            }) -%}
        {%- endif -%}
        {%- set this_use = adapter.dispatch('view_use', 'featurestore')(request, metadata_of[reference.text_of_view]) -%}
        {%- if this_use.key not in uses -%}
            {#- part of CTE names, which are not quoted -#}
            {%- set letters = [] -%}
            {%- for character in this_use.name | list -%}
                {%- do letters.append(character if character | lower in 'abcdefghijklmnopqrstuvwxyz0123456789' else '_') -%}
            {%- endfor -%}
            {%- do this_use.update({'id': (uses | length + 1) ~ '_' ~ letters | join}) -%}
            {%- do uses.update({this_use.key: this_use}) -%}
        {%- endif -%}
        {%- set use = uses[this_use.key] -%}
        {%- set known = use.metadata.get('features') or [] -%}
        {%- if reference.feature is none and not known -%}
            {{ exceptions.raise_compiler_error("training_set: the features of '" ~ use.view ~ "' are not known here\n  -> name them one by one, or give the metadata a list `features`") }}
        {%- endif -%}
        {%- for feature in (known if reference.feature is none else [reference.feature]) -%}
            {%- if known and feature not in known -%}
                {{ exceptions.raise_compiler_error("no feature '" ~ feature ~ "' in feature view " ~ use.view ~ "\n  -> known: " ~ known | join(', ')) }}
            {%- endif -%}
            {%- if feature not in use.features -%}
                {%- do use.features.append(feature) -%}
                {%- do outputs.append({
                    'name': use.name ~ '__' ~ feature if full_feature_names else feature,
                    'side': use.name ~ ':' ~ feature,
                    'expression': '__known_' ~ use.id ~ '.__feature_' ~ use.features | length,
                }) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}

    {%- for use in uses.values() if event_timestamps -%}
        {%- do outputs.append({
            'name': use.name ~ '__event_timestamp',
            'side': use.name ~ "'s event timestamp",
            'expression': '__known_' ~ use.id ~ '.__event_time',
        }) -%}
        {%- do outputs.append({
            'name': use.name ~ '__found',
            'side': use.name ~ "'s found",
            'expression': '(__known_' ~ use.id ~ '.__time_us is not null)',
        }) -%}
    {%- endfor -%}

    {%- for output in outputs -%}
        {%- set folded = output.name | lower -%}
        {%- if folded in taken -%}
            {%- set remedy = "give one of the uses another name: 'view[view_key=spine_key] as name'" if full_feature_names
                else "ask for full feature names (full_feature_names=true), rename the column, or leave it out with keep=[...]" -%}
            {{ exceptions.raise_compiler_error("two output columns would be named '" ~ output.name ~ "': " ~ taken[folded] ~ " and " ~ output.side ~ "\n  -> " ~ remedy) }}
        {%- endif -%}
        {%- do taken.update({folded: output.side}) -%}
    {%- endfor -%}

    {{ return({'uses': uses.values() | list, 'outputs': outputs}) }}
{%- endmacro -%}
