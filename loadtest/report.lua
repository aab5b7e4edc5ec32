-- Shared by all scenarios: prints what wrk measured as one line of JSON, and
-- helps to read the lists that the bench has prepared. Times are in us.
-- wrk counts a status over 399 as an error; nothing measured here redirects.

local report = {}

function report.lines(name)
	local found = {}
	for line in io.lines(os.getenv(name)) do
		found[#found + 1] = line
	end
	assert(#found > 0, name .. " names an empty file")
	return found
end

-- A function that goes round the list of requests. Each thread starts at a
-- place of its own, so that two never ask for the same one at once.
function report.cycle(requests, thread)
	local at = (thread * 997) % #requests
	return function()
		at = at % #requests + 1
		return requests[at]
	end
end

function report.print(summary, latency)
	local e = summary.errors
	io.write(string.format(
		'BENCH {"requests": %d, "duration_us": %d, "bytes": %d, ' ..
		'"p50_us": %d, "p95_us": %d, "p99_us": %d, "max_us": %d, ' ..
		'"errors": {"connect": %d, "read": %d, "write": %d, ' ..
		'"timeout": %d, "status": %d}}\n',
		summary.requests, summary.duration, summary.bytes,
		latency:percentile(50), latency:percentile(95),
		latency:percentile(99), latency.max,
		e.connect, e.read, e.write, e.timeout, e.status))
end

return report
