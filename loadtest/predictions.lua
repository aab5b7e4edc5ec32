-- POST /v1/predictions with a bearer session, round the bodies in the file
-- BENCH_BODIES (one JSON text a line).

local report = dofile(os.getenv("BENCH_LUA") .. "/report.lua")
local threads = 0
local next_request

function setup(thread)
	thread:set("number", threads)
	threads = threads + 1
end

function init()
	local requests = {}
	local headers = {
		["Authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN"),
		["Accept"] = "application/json",
		["Content-Type"] = "application/json",
	}
	for i, body in ipairs(report.lines("BENCH_BODIES")) do
		requests[i] = wrk.format("POST", "/v1/predictions", headers, body)
	end
	next_request = report.cycle(requests, number)
end

function request()
	return next_request()
end

function done(summary, latency)
	report.print(summary, latency)
end
