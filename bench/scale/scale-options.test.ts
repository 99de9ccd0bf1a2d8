import { describe, expect, it } from "vitest";
import { parseScaleOptions } from "./scale-options.ts";

describe("the options of the scale bench", () => {
  it("are the full size by default", () => {
    expect(parseScaleOptions([])).toMatchObject({
      size: { services: 5000, pods: 20_000, sidecars: 2000, used: 20 },
      rate: 20,
      seconds: 60,
      help: false,
    });
  });

  it.each([
    { name: "a size that is no number", args: ["--pods", "many"], message: /--pods must be a whole number/ },
    {
      name: "a sidecar in every pod",
      args: ["--pods", "10", "--services", "5", "--sidecars", "10"],
      message: /fewer than --pods/,
    },
    { name: "services without pods", args: ["--pods", "10", "--sidecars", "1"], message: /at most --pods/ },
    { name: "an unknown option", args: ["--cores", "2"], message: /--cores/ },
  ])("refuse $name", ({ args, message }) => {
    expect(() => parseScaleOptions(args)).toThrow(message);
  });
});
