"""Generation: campaigns, plans, prompts, engines, the ledger and what happens to their outputs."""
