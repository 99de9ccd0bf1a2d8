import { describe, expect, it } from "vitest";
import { formatHaproxyConfig } from "./haproxy-config.ts";
import { formatNginxConfig } from "./nginx-config.ts";

const CERTIFICATES = { root: "/c/root.pem", client: "/c/client.pem", server: "/c/server.pem" };
const PORTS = { client: 1001, mesh: 1002, backend: 1003 };

describe("the peers' configurations", () => {
  it.each([
    {
      name: "HAProxy",
      text: formatHaproxyConfig(PORTS, CERTIFICATES),
      client: /bind 127\.0\.0\.1:1001\n/,
      server: /bind 127\.0\.0\.1:1002 ssl crt \/c\/server\.pem ca-file \/c\/root\.pem verify required\n/,
      mesh: /server mesh 127\.0\.0\.1:1002 .*ssl verify required verifyhost .*ca-file \/c\/root\.pem crt \/c\/client\.pem\n/,
    },
    {
      name: "nginx",
      text: formatNginxConfig("/f", PORTS, CERTIFICATES),
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
});
