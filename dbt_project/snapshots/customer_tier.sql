{# A block and not `relation:` in the YAML: dbt 1.11 loses such a snapshot when one of its tests' macros changes. #}
{% snapshot customer_tier %}

select * from {{ ref("stg_customers") }}

{% endsnapshot %}
