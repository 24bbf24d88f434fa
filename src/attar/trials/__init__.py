"""One candidate at a time: fitted, validated on the labels, exported, checked and measured."""
