"""The ground floor: records, the store, tables, sources, and what is measured in and cut out of footage."""
