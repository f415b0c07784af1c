"""List, fetch and check a source: a hub, NGC, a folder."""
