"""The shared parts of the integrations of chat models: tools, prices, records of model requests, and the loop of requests and tool calls."""
