"""z → y: from a representation and a handful of labels to a classifier, and how good it is."""
