import { describe, expect, it } from "vitest";
import { isOwnInboundListener, isOwnOutboundListener } from "./own-listeners.ts";

describe("the proxy's own ports", () => {
  it.each([15000, 15001, 15006, 15008, 15020, 15021, 15090])("inbound traffic to port %i is not forwarded", (port) => {
    expect(isOwnInboundListener({ ip: "10.0.0.7", port })).toBe(true);
  });

  it("inbound traffic to the application's port is forwarded", () => {
    expect(isOwnInboundListener({ ip: "10.0.0.7", port: 8080 })).toBe(false);
  });

  it.each([
    { name: "loopback", ip: "127.0.0.1", isOwn: true },
    { name: "IPv6 loopback", ip: "::1", isOwn: true },
    { name: "another pod, whose own sidecar decides", ip: "203.0.113.9", isOwn: false },
  ])("outbound traffic to port 15006 of $name", ({ ip, isOwn }) => {
    expect(isOwnOutboundListener({ ip, port: 15006 })).toBe(isOwn);
  });
});
