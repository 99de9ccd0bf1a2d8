import { describe, expect, it } from "vitest";
import { formatEnvoyConfig } from "./envoy-config.ts";
import { formatHaproxyConfig } from "./haproxy-config.ts";
import { CLIENT_ID, SERVER_ID } from "./identities.ts";
import { formatNginxConfig } from "./nginx-config.ts";

const CERTIFICATES = { root: "/c/root.pem", client: "/c/client.pem", server: "/c/server.pem" };
const PORTS = { client: 1001, mesh: 1002, dialled: 1002, backend: 1003 };
const SETTINGS = { ports: PORTS, certificates: CERTIFICATES, application: "http/1.1", hop: "http/1.1" } as const;

describe("the peers' configurations", () => {
  it.each([
    {
      name: "HAProxy",
      text: formatHaproxyConfig(SETTINGS),
      client: /bind 127\.0\.0\.1:1001\n/,
      server: /bind 127\.0\.0\.1:1002 ssl crt \/c\/server\.pem ca-file \/c\/root\.pem verify required\n/,
      mesh: /server mesh 127\.0\.0\.1:1002 .*ssl verify required verifyhost .*ca-file \/c\/root\.pem crt \/c\/client\.pem\n/,
    },
    {
      name: "nginx",
      text: formatNginxConfig("/f", SETTINGS),
      client: /listen 127\.0\.0\.1:1001;/,
      server: /listen 127\.0\.0\.1:1002 ssl;\s+ssl_protocols TLSv1\.3;[^}]*ssl_verify_client on;/,
      mesh: /proxy_ssl_protocols TLSv1\.3;[^}]*proxy_ssl_verify on;/,
    },
  ])(
    "of $name verify both ends of the mesh hop and take plaintext on loopback alone",
    ({ text, client, server, mesh }) => {
      expect(text).toMatch(client);
      expect(text).toMatch(server);
      expect(text).toMatch(mesh);
      expect(text).toContain("127.0.0.1:1003");
    },
  );

  const text = (side: "client" | "server", hop: "stream" | "http/1.1" | "h2") =>
    formatEnvoyConfig({
      ...{ side, hop, port: 1001, upstreamPort: 1002 },
      application: "http/1.1",
      certificates: CERTIFICATES,
    });

  it("of Envoy verify the SPIFFE id of the other side in TLS 1.3, and take no client without a certificate", () => {
    for (const side of ["client", "server"] as const) {
      expect(text(side, "h2")).toContain('"tls_minimum_protocol_version": "TLSv1_3"');
      expect(text(side, "h2")).toContain(`"exact": "${side === "client" ? SERVER_ID : CLIENT_ID}"`);
    }
    expect(text("server", "h2")).toContain('"require_client_certificate": true');
    expect(text("server", "h2")).toContain('"forward_client_cert_details": "SANITIZE_SET"');
  });

  it.each([
    { hop: "stream", offers: ["istio-peer-exchange", "istio"] },
    { hop: "http/1.1", offers: ["istio-http/1.1", "istio", "http/1.1"] },
    { hop: "h2", offers: ["istio-h2", "istio", "h2"] },
  ] as const)("of Envoy offer what Istio's clients offer for a hop of $hop", ({ hop, offers }) => {
    const [, names] = /"alpn_protocols": (\[[^\]]*\])/.exec(text("client", hop)) ?? [];
    expect(JSON.parse(names ?? "[]")).toEqual(offers);
    expect(text("client", hop)).toContain('"sni": "outbound_.');
  });
});
