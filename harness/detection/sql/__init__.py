"""Plan to SQL: one readable statement, one CTE a node; sqlglot quotes and prints, the plan owns the meaning."""
