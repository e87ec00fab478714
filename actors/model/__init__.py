"""What users hold: classes, handlers, fields, handles, and what can be known of an invocation. No trio, no disk."""
