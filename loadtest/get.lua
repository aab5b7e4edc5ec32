-- The URL as it was given: the bare handler, the floor route, and with a
-- bearer session when there is one the front door alone.

local report = dofile(os.getenv("BENCH_LUA") .. "/report.lua")

if os.getenv("BENCH_TOKEN") then
	wrk.headers["Authorization"] = "Bearer " .. os.getenv("BENCH_TOKEN")
end

function done(summary, latency)
	report.print(summary, latency)
end
