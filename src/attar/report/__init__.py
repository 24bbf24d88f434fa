"""The page that a person looks at: the facts of a run, and the self-contained HTML that shows them."""
