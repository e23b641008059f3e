"""What people look at: pages made from the tables, deciding nothing."""
