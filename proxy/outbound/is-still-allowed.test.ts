import { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { HELLO, meshDestination, WORKLOAD, WORLD } from "../mesh-identities-fixture.ts";
import type { DialedConnection } from "./dial-destination.ts";
import { createReuseCheck, isStillAllowed, wouldBeDialledSo } from "./is-still-allowed.ts";

const MUTUAL = meshDestination([1]);
const PLAIN = meshDestination([1], { mutualTls: false });
const ENDPOINT = { ip: "127.0.0.1", port: 1, mutualTls: true, workload: WORKLOAD };

function dialed(overrides: Partial<DialedConnection> = {}): DialedConnection {
  return {
    kind: "connected",
    socket: new Socket(),
    endpoint: { ip: "127.0.0.1", port: 1 },
    meshEndpoint: ENDPOINT,
    alpn: "",
    peer: {
      identity: WORLD,
      certificates: [],
      verifiedAtMs: 0,
      path: [],
      authorities: { roots: [], trustDomains: [] },
      tlsVersion: "TLSv1.3",
      cipher: "",
      keyExchangeGroup: "",
    },
    generation: 1,
    sni: MUTUAL.sni,
    ...overrides,
  };
}

const OVER_TLS = dialed();
const IN_PLAINTEXT = dialed({ peer: undefined, generation: 0, sni: "" });
const PASSED_THROUGH = dialed({ peer: undefined, generation: 0, sni: "", meshEndpoint: undefined });
const REFUSED = { kind: "refused", reason: "no" } as const;

describe("an open connection, after its destination has changed", () => {
  it.each([
    { name: "mutual TLS, nothing changed", connection: OVER_TLS, now: MUTUAL, open: true, kept: true },
    { name: "mutual TLS, the rule becomes DISABLE", connection: OVER_TLS, now: PLAIN, open: true, kept: false },
    { name: "plaintext, nothing changed", connection: IN_PLAINTEXT, now: PLAIN, open: true, kept: true },
    {
      name: "plaintext, the rule requires mutual TLS",
      connection: IN_PLAINTEXT,
      now: MUTUAL,
      open: false,
      kept: false,
    },
    {
      name: "the server may no longer represent the host",
      connection: OVER_TLS,
      now: meshDestination([1], { identities: [HELLO] }),
      open: false,
      kept: false,
    },
    {
      name: "another server may also represent the host",
      connection: OVER_TLS,
      now: meshDestination([1], { identities: [HELLO, WORLD] }),
      open: true,
      kept: true,
    },
    {
      name: "the rule has another SNI",
      connection: OVER_TLS,
      now: meshDestination([1], { overrides: { sni: "other" } }),
      open: true,
      kept: false,
    },
    { name: "the endpoint drains", connection: OVER_TLS, now: meshDestination([2]), open: true, kept: false },
    { name: "the destination is refused", connection: OVER_TLS, now: REFUSED, open: false, kept: false },
    { name: "the address left the mesh", connection: OVER_TLS, now: { kind: "passthrough" }, open: true, kept: false },
    {
      name: "outside the mesh, nothing changed",
      connection: PASSED_THROUGH,
      now: { kind: "passthrough" },
      open: true,
      kept: true,
    },
    { name: "the address joined the mesh", connection: PASSED_THROUGH, now: MUTUAL, open: false, kept: false },
  ] as const)("$name: may continue $open, serves another request $kept", ({ connection, now, open, kept }) => {
    expect(isStillAllowed(now, connection)).toBe(open);
    expect(wouldBeDialledSo(now, connection)).toBe(kept);
  });
});

it("an idle connection is judged by the control plane's last response", () => {
  let current = MUTUAL;
  const isReusable = createReuseCheck(() => current, OVER_TLS);
  expect(isReusable()).toBe(true);
  current = PLAIN;
  expect(isReusable()).toBe(false);
  current = MUTUAL;
  expect(isReusable()).toBe(true);
});
