"""Folders, files, arrays and hubs in: every source becomes a `Dataset`."""
