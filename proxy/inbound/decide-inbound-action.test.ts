import { describe, expect, it } from "vitest";
import type { ServerMode } from "../../mesh/policy/types.ts";
import { decideInboundAction } from "./decide-inbound-action.ts";
import type { ClientKind } from "./sniff-client.ts";
import { chooseAlpn } from "./terminate-tls.ts";

const TABLE: readonly [ServerMode, ClientKind["kind"], string][] = [
  ["STRICT", "mesh_tls", "terminate"],
  ["STRICT", "other_tls", "terminate"],
  ["STRICT", "any_tls", "terminate"],
  ["STRICT", "plaintext", "refuse"],
  ["STRICT", "silent", "terminate"],
  ["STRICT", "unclear", "terminate"],
  ["STRICT", "closed", "refuse"],
  ["PERMISSIVE", "mesh_tls", "terminate"],
  ["PERMISSIVE", "other_tls", "forward"],
  ["PERMISSIVE", "any_tls", "terminate"],
  ["PERMISSIVE", "plaintext", "forward"],
  ["PERMISSIVE", "silent", "await_first_speaker"],
  ["PERMISSIVE", "unclear", "terminate"],
  ["PERMISSIVE", "closed", "refuse"],
  ["DISABLE", "mesh_tls", "forward"],
  ["DISABLE", "other_tls", "forward"],
  ["DISABLE", "plaintext", "forward"],
];

describe("the action for a client", () => {
  it.each(TABLE)("%s and %s: %s", (mode, kind, action) => {
    const client: ClientKind = kind === "unclear" ? { kind, message: "noise" } : { kind };
    expect(decideInboundAction(mode, client).kind).toBe(action);
  });
});

describe("the response to an ALPN offer", () => {
  it.each([
    { name: "istio before its variants", offered: ["istio-peer-exchange", "istio"], chosen: "istio" },
    {
      name: "istio's HTTP name when it is the only one",
      offered: ["istio-http/1.1", "http/1.1"],
      chosen: "istio-http/1.1",
    },
    { name: "never istio-peer-exchange", offered: ["istio-peer-exchange"], chosen: undefined },
    { name: "HTTP/1.1 for a client that offers nothing else", offered: ["http/1.1"], chosen: "http/1.1" },
    { name: "nothing in common", offered: ["ftp"], chosen: undefined },
  ])("$name", ({ offered, chosen }) => {
    expect(chooseAlpn(offered, undefined)).toBe(chosen);
  });

  const ofRequests = [undefined, "http", "http2", "grpc", "grpc-web"] as const;
  it.each(ofRequests)("HTTP/2 first, for a client that offers it to a port of requests: %s", (protocol) => {
    expect(chooseAlpn(["h2", "http/1.1"], protocol)).toBe("h2");
    expect(chooseAlpn(["istio-h2", "istio", "h2"], protocol)).toBe("istio-h2");
    expect(chooseAlpn(["istio-http/1.1", "istio-h2"], protocol)).toBe("istio-h2");
    expect(chooseAlpn(["istio-http/1.1", "istio", "http/1.1"], protocol)).toBe("istio-http/1.1");
  });

  const others = ["tcp", "tls"] as const;
  it.each(others)("never HTTP/2 where the port is declared %s", (protocol) => {
    expect(chooseAlpn(["istio-h2", "istio", "h2"], protocol)).toBe("istio");
    expect(chooseAlpn(["istio-h2", "istio-http/1.1"], protocol)).toBe("istio-http/1.1");
    expect(chooseAlpn(["istio-h2", "h2"], protocol)).toBeUndefined();
  });
});
