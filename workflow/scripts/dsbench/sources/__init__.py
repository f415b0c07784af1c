"""List, fetch and judge a source: a hub, NGC, a folder."""
