"""The official conformance suite against our server: `make conformance`, in two versions and for two protocol eras.

The server is the product's (`mcp_server.server.build`) on a fake house, with what the suite asks for by fixed names
registered beside our own, from here: the product has no switch for it. The suite sends no token, so the server is built
without its door, which has tests of its own. Resuming a broken stream, and of 2025-11-25 `logging/setLevel`,
`resources/subscribe` and `resources/unsubscribe`, are lent by this package too: the product serves none of them.

How much is proven? More than half of the scenarios look at the SDK through our fixtures. At the product itself look
server-initialize, server-session-lifecycle, server-stateless (but for its test_ tools), ping, completion-complete,
tools-list, resources-list and prompts-list (with all of ours in the lists), caching, http-header-validation,
sep-2164-resource-not-found, server-sse-multiple-streams and dns-rebinding-protection: they pass without a fixture.

These pass without one too, and should not. They count for nothing, because the suite takes any answer for the right
one, errors included: tools-call-simple-text and tools-call-error in each run; for 2026-07-28
input-required-result-ignore-extra-params, input-required-result-unsupported-methods, half of
input-required-result-validate-input, and of server-stateless sep-2575-server-no-log-without-loglevel,
sep-2575-http-server-no-independent-requests-on-stream and sep-2575-server-honors-notification-filter.

Whatever ends in a warning, is skipped or fails must stand in baseline.yaml with its reason, and nothing else may.
"""
