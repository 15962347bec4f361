"""English for plans: lexicon, tokens, chunks, clauses, and the steps that they ask for."""
