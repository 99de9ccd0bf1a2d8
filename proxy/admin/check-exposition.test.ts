import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkExposition, metricOfLine } from "./check-exposition.ts";

describe("a line of an application's page", () => {
  it.each([
    ["a 1", "a"],
    ["a{} 1", "a"],
    ['a{b="c"}1', "a"],
    ['a { b = "c" , d="e", } -1.5e+3 1700000000000', "a"],
    ['ns:a_total{path="/x{y}",quote="\\"\\\\\\n"} +Inf', "ns:a_total"],
    ["a\t.5", "a"],
    ["a NaN -1", "a"],
    ['# HELP a some text {"}', "a"],
    ["# HELP a", "a"],
    ["#  TYPE   a   histogram ", "a"],
    ["# TYPE a untyped", "a"],
    ["", ""],
    ["# a comment", ""],
    ["#TYPE is a comment without its blank", ""],
  ])("is valid: %j", (line, name) => {
    expect(metricOfLine(line)).toBe(name);
  });

  it.each([
    "<html>",
    "a",
    "a1",
    "1a 1",
    "a b 1",
    "a{b=c} 1",
    'a{b="c" d="e"} 1',
    'a{b="c} 1',
    'a{b="\\x"} 1',
    'a{1b="c"} 1',
    "a 1 2 3",
    "a 1 1.5",
    "a one",
    "a 0x",
    "a 1\r",
    "# TYPE a",
    "# TYPE a info",
    "# TYPE a counter gauge",
    "# TYPE 1a counter",
    "# HELP",
    'a_total 1 # {trace_id="x"} 1 1700000000.5',
    '{"error":"not found"}',
  ])("is not valid: %j", (line) => {
    expect(metricOfLine(line)).toBeUndefined();
  });

  it("is judged in a moment, whatever it is", () => {
    const attack = `a{${'b="\\\\",'.repeat(20_000)}`;
    const start = process.cpuUsage();
    expect(metricOfLine(attack)).toBeUndefined();
    expect(metricOfLine(`a{b="${"x".repeat(5_000_000)}"} 1`)).toBe("a");
    expect(metricOfLine(`a${" ".repeat(100_000)}x`)).toBeUndefined();
    expect(metricOfLine(`# TYPE ${" ".repeat(100_000)}x`)).toBeUndefined();
    expect(process.cpuUsage(start).user / 1000).toBeLessThan(500);
    fc.assert(
      fc.property(fc.string(), (line) => {
        expect(["string", "undefined"]).toContain(typeof metricOfLine(line));
      }),
    );
  });
});

describe("an application's page", () => {
  const check = async (text: string, own: readonly string[] = []) => {
    const checked = await checkExposition(Buffer.from(text), new Set(own));
    return checked.kind === "page" ? checked.body.toString() : checked.reason;
  };

  it.each([
    { name: "keeps its lines", text: "# TYPE a counter\na 1\n", page: "# TYPE a counter\na 1\n" },
    { name: "gets its last line end", text: "a 1", page: "a 1\n" },
    { name: "may be empty", text: "", page: "" },
    {
      name: "is refused for one invalid line",
      text: "a 1\nb\nc 1\n",
      page: "line 2 of its page is not in Prometheus's text format",
    },
  ])("$name", async ({ text, page }) => {
    expect(await check(text)).toBe(page);
  });

  it("loses the metrics that have the proxy's names", async () => {
    const text = [
      "# HELP istio_requests_total Forged.",
      "# TYPE istio_requests_total counter",
      'istio_requests_total{reporter="source"} 9',
      'istio_request_bytes_bucket{le="1"} 9',
      "istio_request_bytes_sum 9",
      "own 1",
      "",
    ].join("\n");
    expect(await check(text, ["istio_requests_total", "istio_request_bytes"])).toBe("own 1\n");
  });

  it("that is not UTF-8 is refused", async () => {
    const checked = await checkExposition(Buffer.from([0x61, 0x20, 0x31, 0x0a, 0xff]), new Set());
    expect(checked).toEqual({ kind: "failed", reason: "its page is not UTF-8" });
  });

  it("yields to the event loop while it is checked", async () => {
    let turns = 0;
    const count = (): void => {
      turns += 1;
      if (turns < 1000) setImmediate(count);
    };
    setImmediate(count);
    await check("a 1\n".repeat(20_000));
    expect(turns).toBeGreaterThan(5);
    turns = 1000;
  });
});
