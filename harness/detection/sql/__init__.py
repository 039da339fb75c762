"""Plan to SQL: one readable statement, one CTE a node; the tree quotes and prints, the plan owns the meaning."""
