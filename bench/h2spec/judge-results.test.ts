import { describe, expect, it } from "vitest";
import { judgeResults } from "./judge-results.ts";
import { parseReport } from "./parse-report.ts";

const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="5.1. Stream States" package="http2/5.1" id="5.1" tests="2" skipped="0" failures="0" errors="1">
    <testcase package="http2/5.1" classname="idle: Sends a DATA frame" time="0.0018"></testcase>
    <testcase package="http2/5.1" classname="closed: Sends a HEADERS frame" time="2.0087">
      <error>GOAWAY Frame (Error Code: STREAM_CLOSED)
Timeout</error>
    </testcase>
    <testcase package="http2/6.1" classname="A stream that is not in &#34;open&#34; state" time="0.001"></testcase>
    <testcase package="http2/6.9" classname="Skipped"><skipped></skipped></testcase>
  </testsuite>
</testsuites>`;

const CLOSED = { section: "http2/5.1", test: "closed: Sends a HEADERS frame", reason: "" };
const SKIPPED = { section: "http2/6.9", test: "Skipped", reason: "" };

describe("a run of h2spec", () => {
  it("is read from the JUnit report", () => {
    expect(parseReport(REPORT)).toEqual([
      { section: "http2/5.1", test: "idle: Sends a DATA frame", kind: "passed" },
      { section: "http2/5.1", test: "closed: Sends a HEADERS frame", kind: "failed" },
      { section: "http2/6.1", test: 'A stream that is not in "open" state', kind: "passed" },
      { section: "http2/6.9", test: "Skipped", kind: "skipped" },
    ]);
  });

  it("has no result in an empty report", () => {
    expect(() => parseReport("<testsuites></testsuites>")).toThrow("no tests");
  });

  it("fails by a test that is not accepted, and by one that was skipped", () => {
    expect(judgeResults(parseReport(REPORT), []).unexpected).toEqual([
      "http2/5.1 closed: Sends a HEADERS frame (failed)",
      "http2/6.9 Skipped (skipped)",
    ]);
  });

  it("fails by an accepted deviation that no longer is one", () => {
    const idle = { section: "http2/5.1", test: "idle: Sends a DATA frame", reason: "" };
    expect(judgeResults(parseReport(REPORT), [CLOSED, SKIPPED, idle])).toEqual({
      passed: 2,
      unexpected: [],
      outdated: ["http2/5.1 idle: Sends a DATA frame"],
    });
  });

  it("passes with exactly the accepted deviations", () => {
    expect(judgeResults(parseReport(REPORT), [CLOSED, SKIPPED])).toEqual({ passed: 2, unexpected: [], outdated: [] });
  });
});
