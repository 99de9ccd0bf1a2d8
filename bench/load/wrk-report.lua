-- Uploads 1 MB a request where told so; prints wrk's figures as one line of JSON, latencies in microseconds.
init = function(args)
  if args[1] == "upload" then
    wrk.method = "POST"
    wrk.body = string.rep("e", 1048576)
  end
end

done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"durationUs":%d,"failures":%d,"p50Us":%d,"p90Us":%d,"p99Us":%d}\n',
    summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99)))
end
