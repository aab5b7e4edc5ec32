-- Requests that the bench has written out in full, each sent once, in the file
-- BENCH_REQUESTS: one line each, method, path and headers and body
-- separated by tabs, headers as "name: value" with a vertical bar between.
-- For what may not be sent twice: signed requests, Idempotency-Keys.

local report = dofile(os.getenv("BENCH_LUA") .. "/report.lua")
local threads = 0
local next_request

function setup(thread)
	thread:set("number", threads)
	thread:set("stride", tonumber(os.getenv("BENCH_THREADS")))
	threads = threads + 1
end

local function parse(line)
	local method, path, fields, body =
		line:match("^(%S+)\t(%S+)\t([^\t]*)\t(.*)$")
	local headers = {}
	for name, value in fields:gmatch("([^:|]+): ([^|]*)") do
		headers[name] = value
	end
	return wrk.format(method, path, headers, body ~= "" and body or nil)
end

-- Thread n of s takes lines n, n + s, n + 2s, ... and starts anew at the end
-- (what is sent a second time is refused, and so shows as an error).
function init()
	local lines = report.lines("BENCH_REQUESTS")
	local at = number + 1 - stride
	next_request = function()
		at = at + stride
		if at > #lines then
			at = number + 1
		end
		return parse(lines[at])
	end
end

function request()
	return next_request()
end

function done(summary, latency)
	report.print(summary, latency)
end
