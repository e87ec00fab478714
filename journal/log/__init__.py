"""The journal over sorted bytes: streams of events, letters between objects, and what changed."""
