"""Programs of other people that speak MCP to ours: the Inspector's command line and the TypeScript SDK's client."""
