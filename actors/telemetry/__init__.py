"""OpenTelemetry: the invocations of a runtime as traces. Needs the extra ``otel``; nothing imports it unless a runtime asks for it."""
