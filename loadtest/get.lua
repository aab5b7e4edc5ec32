-- The URL as it was given: the bare handler and the floor route.

local report = dofile(os.getenv("BENCH_LUA") .. "/report.lua")

function done(summary, latency)
	report.print(summary, latency)
end
