-- GET /v1/patients/{id} with a bearer session, round the patients in the file
-- BENCH_PATIENTS (one id a line).

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
	}
	for i, id in ipairs(report.lines("BENCH_PATIENTS")) do
		requests[i] = wrk.format("GET", "/v1/patients/" .. id, headers)
	end
	next_request = report.cycle(requests, number)
end

function request()
	return next_request()
end

function done(summary, latency)
	report.print(summary, latency)
end
