-- SPDX-License-Identifier: Apache-2.0
-- A chat request of 2 KB for wrk: wrk -s chat.lua URL -- [close]
local head = '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"'
local tail = '"}]}'
wrk.method = "POST"
wrk.path = "/v1/chat/completions"
wrk.body = head .. string.rep("a", 2048 - #head - #tail) .. tail
wrk.headers["Host"] = "api.openai.com"
wrk.headers["Content-Type"] = "application/json"

function init(args)
	if args[1] == "close" then
		wrk.headers["Connection"] = "close"
	end
end

function done(summary, latency)
	io.write(string.format(
		'{"requests": %d, "seconds": %.6f, "p50_us": %d, "p99_us": %d, "bad": %d}\n',
		summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
		summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status +
			summary.errors.timeout))
end
