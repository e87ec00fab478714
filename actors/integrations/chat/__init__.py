"""What the integrations of chat models share: tools, prices, records of model requests, and the loop of requests and tool calls."""
