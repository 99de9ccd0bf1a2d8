import { describe, expect, it } from "vitest";
import type { ShownConnection } from "./admin-views.ts";
import { describeHop, findHop } from "./hops.ts";

const TLS = { peer: "spiffe://td/ns/ns2/sa/world", version: "TLSv1.3", cipher: "C", key_exchange: "X25519MLKEM768" };
const OUTBOUND: ShownConnection = {
  direction: "outbound",
  client: "10.0.0.1:4000",
  destination: "10.96.0.1:8080",
  endpoint: "10.0.0.2:8080",
  host: "world",
  rule: "DestinationRule/enable-mtls.default",
  mutual_tls: TLS,
};
const INBOUND: ShownConnection = {
  ...OUTBOUND,
  direction: "inbound",
  client: "10.0.0.1:5000",
  rule: "MeshPolicy/default",
  mutual_tls: { ...TLS, peer: "spiffe://td/ns/ns1/sa/hello", key_exchange: "" },
};
const ENDS = { clientIp: "10.0.0.1", serverAddress: "10.0.0.2:8080", clientShows: [OUTBOUND], serverShows: [INBOUND] };

describe("a hop", () => {
  it("takes each identity from the end that verified it", () => {
    expect(describeHop(findHop("hello → world", ENDS))).toEqual({
      name: "hello → world",
      source: "spiffe://td/ns/ns1/sa/hello",
      destination: "spiffe://td/ns/ns2/sa/world",
      security: "TLSv1.3",
      cipher: "C",
      keyExchange: "X25519MLKEM768",
      rule: "DestinationRule/enable-mtls.default",
    });
  });

  it("is plaintext where the client's side says so, with its rule", () => {
    const ends = { ...ENDS, clientShows: [{ ...OUTBOUND, mutual_tls: null, rule: "DestinationRule/legacy.default" }] };
    const row = describeHop(findHop("world → end", { ...ends, serverShows: [] }));
    expect(row).toMatchObject({ source: "–", destination: "–", security: "plaintext" });
    expect(row.rule).toBe("DestinationRule/legacy.default");
  });

  it.each([
    { name: "to another pod", ends: { ...ENDS, serverAddress: "10.0.0.22:8080", serverShows: [] } },
    { name: "from another pod", ends: { ...ENDS, clientIp: "10.0.0.11", clientShows: [] } },
    { name: "not open", ends: { ...ENDS, clientShows: [], serverShows: [] } },
  ])("is unknown, never taken for plaintext, when the connections shown are $name", ({ ends }) => {
    expect(describeHop(findHop("hop", ends)).security).toBe("unknown");
  });
});
