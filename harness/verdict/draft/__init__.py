"""Events made from a rule's own plan: some that it alerts on, and a twin that it is quiet about."""
