"""A replicated log in NATS JetStream. It needs no package: the client is here."""
