import { describe, expect, it } from "vitest";
import { formatServiceRules } from "./service-rules.ts";

describe("Service rules", () => {
  it("select each of three pods with the same probability", () => {
    const endpoints = [1, 2, 3].map((last) => ({ ip: `10.244.0.${last}`, port: 8080 }));
    const text = formatServiceRules([{ clusterIp: "10.96.0.10", port: 80, endpoints }]);
    const chances = text.split("\n").filter((line) => line.includes("DNAT"));
    expect(chances.map((line) => /--probability ([\d.]+)/.exec(line)?.[1])).toEqual([
      "0.333333",
      "0.500000",
      undefined,
    ]);
    expect(chances[2]).toContain("--to-destination 10.244.0.3:8080");
  });

  it("refuse connections to a Service without pods, instead of letting clients wait", () => {
    const text = formatServiceRules([{ clusterIp: "10.96.0.10", port: 80, endpoints: [] }]);
    expect(text).toContain("-A ENTENTE-SERVICES -d 10.96.0.10/32 -p tcp --dport 80 -j REJECT --reject-with tcp-reset");
  });

  it("translate the source address only of a pod that calls itself", () => {
    const one = { ip: "10.244.0.1", port: 8080 };
    const other = { ip: "10.244.0.2", port: 8080 };
    const text = formatServiceRules([
      { clusterIp: "10.96.0.10", port: 80, endpoints: [one, other] },
      { clusterIp: "10.96.0.11", port: 80, endpoints: [one] },
    ]);
    expect(text.split("\n").filter((line) => line.includes("MASQUERADE"))).toEqual([
      "-A POSTROUTING -s 10.244.0.1/32 -d 10.244.0.1/32 -j MASQUERADE",
      "-A POSTROUTING -s 10.244.0.2/32 -d 10.244.0.2/32 -j MASQUERADE",
    ]);
  });
});
