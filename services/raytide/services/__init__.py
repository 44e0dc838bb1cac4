"""Model services on Ray Serve: engines behind OpenAI routes, the gateway in front of them, the app builder."""
